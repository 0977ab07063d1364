"""`trax-otel doctor --store`: which store it is, and whether what was sent is found there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.doctor import Answer, examine, receiver, web
from trax_otel.cli.doctor import versions
from trax_otel.cli.doctor.stores import parse
from trax_otel.local.server import Endpoint, start

HELD = ("traces", "metrics", "logs")


@pytest.fixture(autouse=True)
def _no_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are another test's, and take their time."""
    monkeypatch.setattr(versions, "check", lambda _: [])


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Endpoint]:
    with start(http_port=0, grpc_port=0, path=tmp_path / "local.db") as endpoint:
        yield endpoint


@pytest.mark.parametrize("kind", ["", "local="])
def test_all_signals_are_found_in_the_embedded_endpoint(
    kind: str, local: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    done = examine(capsys, "--endpoint", local.url, "--store", f"{kind}{local.url}")
    assert done.status == 0
    assert [done.one(f"store.{signal}")["status"] for signal in HELD] == ["ok"] * 3
    assert "found in trax-otel local after" in done.one("store.traces")["summary"]


def test_what_was_sent_elsewhere_is_not_found(local: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    with web(receiver()) as elsewhere:
        done = examine(capsys, "--endpoint", elsewhere.url, "--store", local.url, "--wait", "0.2")
    assert done.status == 1
    assert done.errors() == [f"store.{signal}" for signal in HELD]
    assert "accepted, and not found in trax-otel local within 0.2 s" in done.error("store.traces")
    assert "another tenant" in done.error("store.metrics")


def test_what_was_not_accepted_is_not_looked_for(local: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    with web(receiver(401)) as refusing:
        done = examine(capsys, "--endpoint", refusing.url, "--store", local.url)
    assert done.errors() == ["authentication"]
    assert [done.one(f"store.{signal}")["status"] for signal in HELD] == ["skipped"] * 3


@pytest.mark.parametrize(("answer", "told"), [
    ((404, {}, b""), "is no store that is known here"),
    ((401, {}, b""), "asks for credentials"),
    ((200, {}, b'{"database": "ok"}'), "is Grafana"),
])  # fmt: skip
def test_an_address_that_is_no_store(answer: Answer, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with web(receiver()) as server, web(lambda *_: answer) as other:
        done = examine(capsys, "--endpoint", server.url, "--store", other.url)
    assert done.errors() == ["store"]
    assert told in done.error("store")


def test_a_store_that_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    with web(receiver()) as server:
        done = examine(capsys, "--endpoint", server.url, "--store", "http://127.0.0.1:9")
    assert "cannot be reached" in done.error("store")


def test_a_store_that_answers_nonsense_is_contained(capsys: pytest.CaptureFixture[str]) -> None:
    with web(receiver()) as server, web(lambda *_: (200, {}, b"[1, 2")) as odd:
        done = examine(capsys, "--endpoint", server.url, "--store", f"prometheus={odd.url}", "--wait", "0.1")
    assert done.errors() == ["store.metrics"]


def test_user_and_password_of_the_url_are_shown_to_the_store(capsys: pytest.CaptureFixture[str]) -> None:
    with web(receiver()) as server, web(lambda *_: (200, {}, b"echo")) as store:
        done = examine(
            capsys, "--endpoint", server.url, "--store", store.url.replace("//", "//me:s3cret@"), "--wait", "0.1"
        )
    assert {headers.get("authorization", "")[:6] for _, _, headers in store.asked} == {"Basic "}
    assert "s3cret" not in done.out
    assert done.one("store")["summary"] == f"{store.url} is Tempo"


@pytest.mark.parametrize(("written", "told"), [
    ("http://h:3200", ("http://h:3200", "")),
    ("tempo=https://h/base?a=b", ("https://h/base?a=b", "tempo")),
    ("https://h/?tenant=a", ("https://h/?tenant=a", "")),
])  # fmt: skip
def test_a_store_is_a_url_with_or_without_its_kind(written: str, told: tuple[str, str]) -> None:
    assert parse(written) == told


@pytest.mark.parametrize(
    "written", ["tempo", "zipkin=http://h:9411", "ftp://h", "http://", "http://h:port", "loki=h:3100"]
)
def test_a_store_that_cannot_be_read_is_a_mistake(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = examine(capsys, "--store", written)
    assert done.status == 2
    assert "--store" in done.err
