"""Who reports: detected, from the environment, renewed after a fork."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource

from trax_otel.sdk.resource import build_resource, container_id, service_name_of

CONTAINER = "4f" * 32


def test_a_resource_names_service_process_host_and_distribution() -> None:
    problems: list[str] = []
    found = build_resource({"OTEL_SERVICE_NAME": "shop"}, problems).attributes
    assert found is not None
    assert found["service.name"] == "shop"
    assert uuid.UUID(str(found["service.instance.id"])).version == 4
    expected = {
        "process.pid",
        "process.runtime.version",
        "host.name",
        "host.arch",
        "os.type",
        "telemetry.distro.version",
    }
    assert expected <= set(found)
    assert not [key for key in found if "command_args" in key or "command_line" in key]
    assert problems == []


def test_arguments_stand_above_the_environment() -> None:
    environ = {
        "OTEL_RESOURCE_ATTRIBUTES": "service.version=1%2C2,team=a, deployment.environment.name = test ,service.name=x"
    }
    found = build_resource(environ, [], {"team": "b"}).attributes
    assert found is not None
    assert (found["service.version"], found["team"], found["service.name"]) == ("1,2", "b", "x")
    assert found["deployment.environment.name"] == "test"


def test_a_malformed_attribute_is_a_problem_and_no_more() -> None:
    problems: list[str] = []
    found = build_resource({"OTEL_RESOURCE_ATTRIBUTES": "nonsense,a=1"}, problems).attributes
    assert found is not None
    assert found["a"] == "1"
    assert problems == ["OTEL_RESOURCE_ATTRIBUTES: entry 1 must be of the form key=value (%2C for a comma)"]


def test_detectors_can_be_asked_for() -> None:
    problems: list[str] = []
    build_resource({"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process,otel,*"}, problems)
    assert problems == []


def test_a_lone_surrogate_in_the_resource_can_be_sent() -> None:
    found = build_resource({}, [], {"folder": "caf\udce9"}).attributes
    assert found is not None
    assert found["folder"] == "caf\\udce9"


def test_renewal_makes_another_instance_of_the_same_service() -> None:
    resource = build_resource({"OTEL_SERVICE_NAME": "shop"}, [])
    before, hashed = dict(resource.attributes or {}), hash(resource)
    resource.renew()
    after = dict(resource.attributes or {})
    assert before.pop("service.instance.id") != after.pop("service.instance.id")
    assert before == after
    assert hash(resource) != hashed
    assert resource == Resource(dict(resource.attributes or {}))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("cgroup", f"12:cpu:/docker/{CONTAINER}\n"),
        ("cgroup", f"1:name=systemd:/kubepods/besteffort/pod1/cri-containerd-{CONTAINER}.scope\n"),
        ("mountinfo", f"1 2 0:1 /var/lib/docker/containers/{CONTAINER}/hostname /etc/hostname rw - ext4 x rw\n"),
        ("mountinfo", f"1 2 0:1 /containers/storage/overlay-containers/{CONTAINER}/userdata/hosts /etc/hosts rw - x\n"),
    ],
)
def test_the_container_is_found_in_both_control_group_versions(tmp_path: Path, file: str, content: str) -> None:
    (tmp_path / "cgroup").write_text("0::/\n")
    (tmp_path / "mountinfo").write_text("24 1 0:1 / / rw - ext4 /dev/root rw\n")
    (tmp_path / file).write_text(content)
    assert container_id(tmp_path) == CONTAINER


def test_outside_a_container_there_is_no_id(tmp_path: Path) -> None:
    assert container_id(tmp_path / "missing") is None
    (tmp_path / "cgroup").write_text("0::/user.slice\n")
    (tmp_path / "mountinfo").write_text(f"24 1 0:1 /snapshots/{CONTAINER} /data rw - ext4 x rw\n")
    assert container_id(tmp_path) is None


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python shop.py", "shop"),
        ("python -u -W ignore /srv/shop.py --port 80", "shop"),
        ("python -m shop.worker", "shop.worker"),
        ("python -X dev -m gunicorn -w 4 shop.wsgi:application", "shop"),
        ("/usr/bin/python /usr/bin/gunicorn -b :80 shop:app", "shop"),
        ("python /usr/bin/gunicorn httpbin:app()", "httpbin"),
        ("python /usr/bin/gunicorn -c conf.py", "gunicorn"),
        ("python /usr/bin/uvicorn shop.api.main:app --reload", "shop"),
        ("python /usr/bin/uvicorn main:app", "main"),
        ("python /usr/bin/flask --app hello run", "hello"),
        ("python /usr/bin/flask --app=hello.py:create run", "hello"),
        ("python /usr/bin/celery -A shop.jobs worker", "shop.jobs"),
        ("python /srv/shop/manage.py runserver", "shop"),
        ("python -c pass", "python"),
        ("python", "python"),
        ("python -m", "python"),
    ],
)
def test_a_services_name_follows_from_its_command(command: str, name: str) -> None:
    assert service_name_of(command.split()) == name
