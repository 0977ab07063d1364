"""Version, commit and environment of what is served: found where they are certain, else left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trax_otel import config, semconv
from trax_otel.sdk.origin import commit_of, origin
from trax_otel.sdk.resource import _served, build_resource

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "src").mkdir(parents=True)
    for name in ("shop.py", "src/worker.py"):
        (folder / name).write_text("")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")


@pytest.mark.parametrize("prepare", [
    (), ("checkout", "-q", "--detach"), ("pack-refs", "--all"), ("checkout", "-q", "-b", "feature/new"), ("gc", "-q"),
])  # fmt: skip
def test_the_commit_of_a_tracked_file(repository: Path, prepare: tuple[str, ...]) -> None:
    if prepare:
        git(repository, *prepare)
    assert commit_of(repository / "shop.py") == commit_of(repository / "src/worker.py") == head(repository)


def test_a_worktree_and_a_submodule_have_their_own(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    (tmp_path / "tree" / "shop.py").write_text("print()")
    git(tmp_path / "tree", "commit", "-qam", "second")
    git(tmp_path / "tree", "pack-refs", "--all")
    assert commit_of(tmp_path / "tree" / "shop.py") == head(tmp_path / "tree") != head(repository)
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repository), "part")
    assert commit_of(outer / "part" / "shop.py") == head(repository)


def test_what_is_not_tracked_has_no_commit(repository: Path) -> None:
    (repository / "worker.py").write_text("")  # the tracked one is src/worker.py, whose path ends alike
    (repository / ".venv").mkdir()
    (repository / ".venv" / "installed.py").write_text("")
    assert commit_of(repository / "worker.py") is None
    assert commit_of(repository / ".venv" / "installed.py") is None
    assert commit_of(repository / "missing" / "shop.py") is None


@pytest.mark.parametrize("name", ["HEAD", "index"])
def test_a_repository_that_cannot_be_read_has_none(repository: Path, name: str) -> None:
    (repository / ".git" / name).write_bytes(b"\xff\x00nonsense")
    assert commit_of(repository / "shop.py") is None


def test_a_repository_without_a_commit_has_none(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    assert commit_of(tmp_path / "shop.py") is None


@pytest.mark.parametrize(("environ", "expected"), [
    ({"K_REVISION": "shop-00042-abc"}, {semconv.SERVICE_VERSION: "shop-00042-abc"}),
    ({"APP_VERSION": "1.4.2", "K_REVISION": "shop-1"}, {semconv.SERVICE_VERSION: "1.4.2"}),
    ({"APP_VERSION": "two words"}, {}),
    ({"RENDER_GIT_COMMIT": COMMIT}, {semconv.VCS_REF_HEAD_REVISION: COMMIT}),
    ({"GIT_COMMIT": "main", "GITHUB_SHA": COMMIT.upper()}, {semconv.VCS_REF_HEAD_REVISION: COMMIT}),
    ({"SOURCE_VERSION": "v1.2"}, {}),
    ({"DD_ENV": "blue"}, {semconv.DEPLOYMENT_ENVIRONMENT_NAME: "blue"}),
    ({"APP_ENV": "Production"}, {semconv.DEPLOYMENT_ENVIRONMENT_NAME: "production"}),
    ({"ENV": "/home/ann/.shrc"}, {}),
    ({"ENV": "dev", "ENVIRONMENT": "production"}, {}),
])  # fmt: skip
def test_variables_are_read_where_they_are_certain(environ: dict[str, str], expected: dict[str, str]) -> None:
    assert origin(environ, "", None) == expected


def test_git_is_believed_before_a_variable(repository: Path) -> None:
    found = origin({"GITHUB_SHA": COMMIT}, "", repository / "shop.py")
    assert found[semconv.VCS_REF_HEAD_REVISION] == head(repository)


def test_the_version_of_the_package_that_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert origin({}, "flask.app", None)[semconv.SERVICE_VERSION]
    assert origin({}, "yaml", None)[semconv.SERVICE_VERSION]  # its distribution is called PyYAML
    (tmp_path / "flask.py").write_text("")  # the service's own file, which servers import instead
    monkeypatch.chdir(tmp_path)
    assert origin({}, "flask", None) == {}
    assert origin({}, "http.server", None) == origin({}, "no_such_module", None) == {}


def test_what_the_user_says_wins_and_a_switch_turns_it_off() -> None:
    environ = {"DD_ENV": "blue", "APP_VERSION": "1"}
    said = {**environ, "OTEL_RESOURCE_ATTRIBUTES": "service.version=2,deployment.environment=green"}
    found = dict(build_resource(said, []).attributes or {})
    assert (found["service.version"], found["deployment.environment"]) == ("2", "green")
    assert semconv.DEPLOYMENT_ENVIRONMENT_NAME not in found
    off = config.load(environ={"TRAX_DETECT_ORIGIN": "off"})[0]
    with config.use_settings(off):
        assert semconv.DEPLOYMENT_ENVIRONMENT_NAME not in (build_resource(environ, []).attributes or {})


@pytest.mark.parametrize(("command", "module", "script"), [
    ("python shop.py --fast", "", "shop.py"),
    ("python -X dev -m shop.worker 4", "shop.worker", None),
    ("python /venv/bin/gunicorn -w 4 shop.wsgi:application", "shop.wsgi", None),
    ("python /venv/bin/celery -A shop worker", "shop", None),
    ("python manage.py runserver", "", "manage.py"),
    ("python /venv/bin/uvicorn --help", "", "/venv/bin/uvicorn"),
])  # fmt: skip
def test_what_a_command_serves(command: str, module: str, script: str | None) -> None:
    assert _served([sys.executable, *command.split()[1:]]) == (module, Path(script) if script else None)
