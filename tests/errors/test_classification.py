"""The order of classification over builtins, groups, users' classifiers and hostile exceptions."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import io
import json
import socket
import sqlite3
import ssl
import subprocess
import sys
import urllib.error
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trax_otel import errors
from trax_otel.errors import TraxError, classify_error, error_facts, is_retryable_error, register_classifier
from trax_otel.errors.database_libraries import sql_state
from trax_otel.errors.verdict import http, retry_after
from trax_otel.testing import fake_clock


def raised(action: Any) -> BaseException:
    try:
        action()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


BUILTINS: list[tuple[BaseException, str, bool]] = [
    (ConnectionRefusedError(111, "refused"), "ConnectionError", True),
    (ConnectionResetError(), "ConnectionError", True),
    (BrokenPipeError(), "ConnectionError", True),
    (TimeoutError(), "TimeoutError", True),
    (asyncio.TimeoutError(), "TimeoutError", True),
    (concurrent.futures.TimeoutError(), "TimeoutError", True),
    (OSError(errno.EHOSTUNREACH, "no route"), "ConnectionError", True),
    (OSError(errno.ENETUNREACH, "no network"), "ConnectionError", True),
    (OSError(errno.ETIMEDOUT, "timed out"), "TimeoutError", True),
    (socket.gaierror(socket.EAI_AGAIN, "again"), "DNSResolutionError", True),
    (socket.gaierror(socket.EAI_NONAME, "no name"), "DNSResolutionError", False),
    (ssl.SSLCertVerificationError(1, "certificate verify failed"), "ConnectionError", False),
    (FileNotFoundError(2, "none", "/x"), "FileNotFoundError", False),
    (PermissionError(13, "denied", "/x"), "PermissionError", False),
    (OSError(errno.ENOSPC, "full"), "DiskSpaceError", False),
    (OSError(errno.EDQUOT, "quota"), "DiskSpaceError", False),
    (OSError(errno.EROFS, "read-only"), "FileSystemError", False),
    (OSError(errno.EIO, "I/O"), "StreamError", False),
    (OSError(errno.EIO, "I/O", "/x"), "FileSystemError", False),
    (OSError(errno.EBADF, "bad file descriptor"), "StreamError", False),
    (OSError("stream closed"), "StreamError", False),
    (raised(lambda: io.BytesIO().fileno()), "StreamError", False),
    (EOFError(), "StreamError", False),
    (OSError(errno.EAGAIN, "again"), "StreamError", True),
    (OSError(errno.EINTR, "interrupted"), "StreamError", True),
    (OSError(errno.EMFILE, "too many files"), "StreamError", True),
    (OSError(errno.ESTALE, "stale"), "FileSystemError", True),
    (IsADirectoryError(21, "folder", "/x"), "FileSystemError", False),
    (raised(lambda: json.loads("{")), "FormatError", False),
    (raised(lambda: b"\xff".decode("utf-8")), "FormatError", False),
    (ValueError("x"), "InvalidInputError", False),
    (TypeError("x"), "ProcessingError", False),
    (ModuleNotFoundError("no module"), "EnvironmentError", False),
    (KeyError("x"), "ProcessingError", False),
    (ZeroDivisionError(), "ProcessingError", False),
    (AttributeError("x"), "ProcessingError", False),
    (NotImplementedError(), "ProcessingError", False),
    (subprocess.CalledProcessError(1, "false"), "ProcessingError", False),
    (subprocess.TimeoutExpired("sleep", 1), "TimeoutError", True),
    (sqlite3.OperationalError("database is locked"), "DatabaseLockError", True),
    (sqlite3.IntegrityError("UNIQUE constraint failed"), "DatabaseIntegrityError", False),
    (sqlite3.DatabaseError("file is not a database"), "CorruptedFileError", False),
    (urllib.error.URLError(ConnectionRefusedError()), "ConnectionError", True),
    (urllib.error.HTTPError("http://x", 503, "busy", Message(), None), "ServiceUnavailableError", True),
    (Exception("what?"), "TraxError", False),
    (MemoryError(), "TraxError", False),
    (RecursionError(), "TraxError", False),
    (KeyboardInterrupt(), "TraxError", False),
    (asyncio.CancelledError(), "TraxError", False),
    (concurrent.futures.CancelledError(), "TraxError", False),
]


@pytest.mark.parametrize(("error", "name", "retryable"), BUILTINS, ids=lambda value: str(value)[:40])
def test_builtins_mean_what_they_say(error: BaseException, name: str, retryable: bool) -> None:
    classified = classify_error(error)
    assert type(classified) is getattr(errors, name)
    assert classified.retryable is retryable
    assert is_retryable_error(error) is retryable
    assert classified.original_error is error
    facts = error_facts(error)
    assert (facts.code, facts.category, facts.retryable) == (classified.error_code, classified.category, retryable)


def test_one_of_ours_is_itself() -> None:
    error = errors.NetworkError("x")
    assert classify_error(error) is error


def test_a_classified_file_error_keeps_its_number_and_name() -> None:
    error = raised(lambda: Path("/nowhere/at/all").read_text())
    classified = classify_error(error)
    assert isinstance(classified, FileNotFoundError)
    assert (classified.errno, classified.filename) == (errno.ENOENT, "/nowhere/at/all")


HTTP: list[tuple[int, str, bool, bool]] = [
    # status, class, retryable for GET, retryable for POST without an idempotency key
    (400, "APIError", False, False),
    (401, "AuthenticationError", False, False),
    (403, "AuthenticationError", False, False),
    (404, "APIError", False, False),
    (408, "TimeoutError", True, False),
    (409, "APIError", False, False),
    (425, "ServiceUnavailableError", True, True),
    (429, "RateLimitError", True, True),
    (500, "ServerError", True, False),
    (501, "ServerError", False, False),
    (502, "ServiceUnavailableError", True, False),
    (503, "ServiceUnavailableError", True, False),
    (504, "ServiceUnavailableError", True, False),
    (505, "ServerError", False, False),
]


@pytest.mark.parametrize(("status", "name", "get", "post"), HTTP)
def test_http_statuses(status: int, name: str, get: bool, post: bool) -> None:
    assert http(status, method="GET").kind is getattr(errors, name)
    assert http(status, method="GET").retryable is get
    assert http(status, method="POST").retryable is post
    assert http(status, method="POST", request_headers={"Idempotency-Key": "k"}).retryable is get


def test_retry_after_in_seconds_and_as_a_date() -> None:
    with fake_clock():  # 2026-01-01T00:00:00Z
        assert retry_after("120") == 120
        assert retry_after(b"1.5") == 1.5
        assert retry_after("Thu, 01 Jan 2026 00:01:00 GMT") == 60
        assert retry_after("Wed, 31 Dec 2025 23:59:00 GMT") == 0
        assert retry_after("-5") == 0
        assert [retry_after(bad) for bad in (None, "soon", "nan", "Thu, 99 Foo")] == [None] * 4
    assert http(503, {"RETRY-AFTER": "7"}, "POST") == (errors.ServiceUnavailableError, True, 7.0, 503)


@pytest.mark.parametrize(
    ("state", "name", "retryable"),
    [("08006", "DatabaseConnectionError", True), ("40001", "DatabaseLockError", True), ("40P01", "DatabaseLockError", True),
     ("57P01", "DatabaseConnectionError", True), ("23505", "DatabaseIntegrityError", False),
     ("42P01", "DatabaseQueryError", False)],
)  # fmt: skip
def test_sql_states(state: str, name: str, retryable: bool) -> None:
    verdict = sql_state(state)
    assert verdict is not None
    assert (verdict.kind, verdict.retryable) == (getattr(errors, name), retryable)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups came with Python 3.11")
def test_a_group_is_retryable_only_if_all_its_leaves_are() -> None:
    group: Any = getattr(__builtins__, "ExceptionGroup", None) or ExceptionGroup  # type: ignore[name-defined,unused-ignore]  # noqa: F821
    good, bad = ConnectionResetError(), ValueError()
    assert is_retryable_error(group("g", [good, group("h", [TimeoutError()])]))
    assert not is_retryable_error(group("g", [good, group("h", [bad])]))
    assert type(classify_error(group("g", [good, group("h", [TimeoutError()])]))) is errors.ConnectionError


class Warehouse(Exception):
    """A user's own exception."""


def test_users_classifiers_are_asked_first_and_the_latest_wins() -> None:
    first = register_classifier(Warehouse, lambda error: errors.ServiceUnavailableError)
    second = register_classifier(Warehouse, lambda error: errors.QuotaExceededError(str(error), retryable=True))
    try:
        assert type(classify_error(Warehouse("full"))) is errors.QuotaExceededError
        assert is_retryable_error(Warehouse("full"))
        second()
        assert type(classify_error(Warehouse("full"))) is errors.ServiceUnavailableError
        assert error_facts(Warehouse("x")).code == "TRAX-012"
    finally:
        first()
    assert type(classify_error(Warehouse("x"))) is TraxError


def test_a_classifier_that_fails_or_answers_nonsense_is_passed_over() -> None:
    stops = [
        register_classifier(Warehouse, lambda error: 1 / 0),  # type: ignore[arg-type,return-value]
        register_classifier(Warehouse, lambda error: "nonsense"),  # type: ignore[arg-type,return-value]
    ]
    try:
        assert type(classify_error(Warehouse("x"))) is TraxError
    finally:
        for stop in stops:
            stop()


class Hostile(Exception):
    """Raises whatever is asked of it."""

    response = property(lambda self: 1 / 0)

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __getattribute__(self, name: str) -> Any:
        if name in {"__dict__", "exceptions", "retry_after"}:
            raise RuntimeError("no attributes")
        return super().__getattribute__(name)


def test_a_hostile_exception_is_classified_without_a_word() -> None:
    assert error_facts(Hostile()).code == "TRAX-021"
    assert isinstance(classify_error(Hostile()), TraxError)
    assert is_retryable_error(Hostile()) is False


EXCEPTIONS = [
    kind
    for kind in vars(__import__("builtins")).values()
    if isinstance(kind, type) and issubclass(kind, BaseException) and "Unicode" not in kind.__name__
    and "Group" not in kind.__name__
]  # fmt: skip


@given(st.sampled_from(EXCEPTIONS), st.lists(st.none() | st.integers() | st.text(max_size=5), max_size=3))
def test_classification_never_raises(kind: type[BaseException], arguments: list[Any]) -> None:
    try:
        error = kind(*arguments)
    except TypeError:
        return
    assert isinstance(classify_error(error), TraxError)
    assert error_facts(error).code.startswith("TRAX-")
