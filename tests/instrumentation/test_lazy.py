"""Instrumentors are loaded when their library is imported, and patch what the importing statement binds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trax_otel.instrumentation import imports
from trax_otel.instrumentation.imports import is_imported, when_imported

RUN = [sys.executable, "-m", "trax_otel", "run", "--exit-timeout", "0", "--", sys.executable]
SILENT = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}


def printed(script: str, folder: Path, **environ: str) -> str:
    (folder / "app.py").write_text(script)
    done = subprocess.run(
        [*RUN, "app.py"], cwd=folder, env={**os.environ, **SILENT, **environ}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `watched_lib` with a module `part`, which no test leaves behind."""
    folder = tmp_path / "watched_lib"
    folder.mkdir()
    (folder / "__init__.py").write_text("value = 'plain'\n")
    (folder / "part.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    finders = list(sys.meta_path)
    yield folder
    sys.meta_path[:] = finders
    for name in [name for name in sys.modules if name.startswith("watched_lib")]:
        del sys.modules[name]
    for name in [name for name in imports._waiting if name.startswith("watched_lib")]:
        del imports._waiting[name]


def test_the_action_comes_before_the_name_is_bound(package: Path) -> None:
    when_imported("watched_lib", lambda: setattr(sys.modules["watched_lib"], "value", "patched"))
    assert not is_imported("watched_lib")
    from watched_lib import value  # type: ignore[import-not-found]

    assert value == "patched"
    assert type(sys.modules["watched_lib"].__spec__.loader).__name__ == "SourceFileLoader"  # type: ignore[union-attr]


def test_an_action_sees_a_submodule_in_its_package(package: Path) -> None:
    seen: list[bool] = []
    when_imported("watched_lib.part", lambda: seen.append(hasattr(sys.modules["watched_lib"], "part")))
    import watched_lib.part  # type: ignore[import-not-found]  # noqa: F401

    assert seen == [True]
    when_imported("watched_lib.part", lambda: seen.append(True))  # at once
    assert seen == [True, True]


def test_a_module_that_fails_is_waited_for_on(package: Path) -> None:
    seen: list[str] = []
    (package / "part.py").write_text("raise ValueError('broken')")
    when_imported("watched_lib.part", lambda: seen.append("done"))
    with pytest.raises(ValueError, match="broken") as caught:
        import watched_lib.part  # type: ignore[import-not-found]
    assert [entry.path.name for entry in caught.traceback if "imports" in str(entry.path)] == []
    assert seen == []
    (package / "part.py").write_text("changed = True  # and longer than before")
    import watched_lib.part  # noqa: F401

    assert seen == ["done"]


def test_nothing_is_imported_that_the_program_does_not_use(tmp_path: Path) -> None:
    heavy = "{'flask', 'django', 'redis', 'botocore', 'fastapi', 'grpc', 'requests', 'sqlite3', 'httpx', 'aiohttp'}"
    assert printed(f"import sys; print({heavy} & set(sys.modules))", tmp_path) == "set()"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("from flask import Flask; print(Flask.__module__)", "opentelemetry.instrumentation.flask"),
        ("from fastapi import FastAPI as A; print(A.__module__)", "opentelemetry.instrumentation.fastapi"),
        ("import starlette.applications, fastapi; print(fastapi.FastAPI.__mro__[2].__module__)", "starlette.applications"),
        ("from starlette.applications import Starlette as S; print(S.__module__)", "opentelemetry.instrumentation.starlette"),
        ("from aiohttp.web import Application as A; print(A.__module__)", "opentelemetry.instrumentation.aiohttp_server"),
        ("from sqlite3 import connect; print(hasattr(connect, '__wrapped__'))", "True"),
        ("from psycopg import connect; print(hasattr(connect, '__wrapped__'))", "True"),
        ("import requests; print(hasattr(requests.Session.send, '__wrapped__'))", "True"),
        ("import redis; print(hasattr(redis.Redis.execute_command, '__wrapped__'))", "True"),
        ("import botocore.client as c; print(hasattr(c.BaseClient._make_api_call, '__wrapped__'))", "True"),
        ("import httpx; print(hasattr(httpx.HTTPTransport.handle_request, '__wrapped__'))", "True"),
        ("from grpc import insecure_channel as c; print(hasattr(c, '__wrapped__'))", "True"),
        (("from opentelemetry.instrumentation.flask import FlaskInstrumentor as I; import flask as f; "
          "print(f.Flask.__module__, I().is_instrumented_by_opentelemetry)"),
         "opentelemetry.instrumentation.flask True"),
    ],
)  # fmt: skip
def test_a_library_is_instrumented_when_it_is_imported(script: str, expected: str, tmp_path: Path) -> None:
    assert printed(script, tmp_path) == expected


def test_one_that_is_disabled_stays_away(tmp_path: Path) -> None:
    script = "from flask import Flask; print(Flask.__module__)"
    assert printed(script, tmp_path, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="jinja2, flask") == "flask.app"


def test_django_keeps_settings_that_its_own_program_names(tmp_path: Path) -> None:
    (tmp_path / "shop_settings.py").write_text("ROOT_URLCONF = 'shop'\nSECRET_KEY = 'x'\nMIDDLEWARE = ()\n")
    script = (
        "from django.core.wsgi import get_wsgi_application; import os\n"
        "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop_settings')\n"
        "get_wsgi_application()\nfrom django.conf import settings\nprint(settings.ROOT_URLCONF, *settings.MIDDLEWARE)"
    )
    assert printed(script, tmp_path).startswith("shop opentelemetry.instrumentation.django.middleware")
