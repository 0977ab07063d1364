"""The status of an answer maps to a code by the tables that classify exceptions."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from trax_otel.errors.answers import GRPC_STATUSES, answer_facts
from trax_otel.errors.verdict import grpc_status, http


@pytest.mark.parametrize("name", ["http.response.status_code", "http.status_code"])
@pytest.mark.parametrize(
    ("status", "client", "server"),
    [
        (200, None, None),
        (302, None, None),
        (401, "TRAX-002", None),
        (404, "TRAX-009", None),
        (408, "TRAX-005", None),
        (429, "TRAX-010", None),
        (500, "TRAX-029", "TRAX-029"),
        (503, http(503).kind.default_code, http(503).kind.default_code),
        (599, "TRAX-029", "TRAX-029"),
        (600, None, None),
        (0, None, None),
        ("500", None, None),
        (True, None, None),
    ],
)
def test_http_answers(name: str, status: Any, client: str | None, server: str | None) -> None:
    for code, is_server in ((client, False), (server, True)):
        facts = answer_facts({name: status}, server=is_server)
        assert (facts and facts.code) == code
        assert facts is None or facts.type == str(status)


def test_grpcs_numbers_are_its_own() -> None:
    assert [status.name for status in sorted(grpc.StatusCode, key=lambda one: one.value[0])] == list(GRPC_STATUSES)


@pytest.mark.parametrize("status", grpc.StatusCode)
def test_grpc_answers(status: grpc.StatusCode) -> None:
    servers_fault = status.name in {
        "UNKNOWN",
        "DEADLINE_EXCEEDED",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
    }
    none = status.name in {"OK", "CANCELLED"}
    for attributes in ({"rpc.grpc.status_code": status.value[0]}, {"rpc.response.status_code": status.name}):
        client, server = (answer_facts(attributes, server=is_server) for is_server in (False, True))
        assert (client is None) is none
        assert (server is not None) is servers_fault
        assert client is None or client.code == grpc_status(status.name).kind.default_code


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("08006", "TRAX-024"),
        ("23505", "TRAX-025"),
        ("42P01", "TRAX-026"),
        ("1213", "TRAX-027"),
        ("00000", None),
        ("", None),
        (1064, None),
    ],
)
def test_a_databases_sqlstate(state: Any, code: str | None) -> None:
    facts = answer_facts({"db.response.status_code": state}, server=False)
    assert (facts and facts.code) == code


def test_a_repeat_is_advised_by_the_method() -> None:
    again = answer_facts({"http.response.status_code": 500, "http.request.method": "GET"}, server=False)
    once = answer_facts({"http.response.status_code": 500, "http.request.method": "POST"}, server=False)
    assert again is not None
    assert once is not None
    assert (again.retryable, once.retryable) == (True, False)


def test_answers_of_one_place_belong_together_and_of_two_do_not() -> None:
    def fingerprint(**attributes: Any) -> str | None:
        named = {name.replace("_", "."): value for name, value in attributes.items()}
        facts = answer_facts({"http.response.status_code": 500, **named}, server=True)
        return facts and facts.fingerprint

    assert fingerprint(http_route="/a", url_path="/a/1") == fingerprint(http_route="/a", url_path="/a/2")
    assert fingerprint(http_route="/a") != fingerprint(http_route="/b")
