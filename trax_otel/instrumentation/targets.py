"""What each of OpenTelemetry's instrumentors waits for: the module whose import makes it worth loading.

An instrumentor imports the library that it wraps. One that is not listed here is loaded at the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

PUBLISHER: Final = "opentelemetry.instrumentation."
"""Other publishers use the same names for other instrumentors."""

TRIGGERS: Final[Mapping[str, tuple[str, ...]]] = {
    "aio-pika": ("aio_pika",),
    "aiobotocore": ("aiobotocore.client",),
    "aiohttp-client": ("aiohttp",),
    "aiohttp-server": ("aiohttp.web",),
    "aiokafka": ("aiokafka",),
    "aiopg": ("aiopg",),
    "asyncclick": ("asyncclick",),
    "asyncio": ("asyncio",),
    "asyncpg": ("asyncpg",),
    "boto3": ("boto3",),
    "botocore": ("botocore.client",),
    "cassandra": ("cassandra.cluster",),
    "celery": ("celery.app",),
    "click": ("click",),
    "confluent_kafka": ("confluent_kafka",),
    "django": ("django.core.handlers.base",),
    "falcon": ("falcon",),
    "fastapi": ("fastapi",),
    "flask": ("flask",),
    "grpc_aio_client": ("grpc",),
    "grpc_aio_server": ("grpc",),
    "grpc_client": ("grpc",),
    "grpc_server": ("grpc",),
    "httpx": ("httpx",),
    "httpx2": ("httpx2",),
    "jinja2": ("jinja2",),
    "kafka": ("kafka",),
    "mysql": ("mysql.connector",),
    "mysqlclient": ("MySQLdb",),
    "pika": ("pika",),
    "psycopg": ("psycopg",),
    "psycopg2": ("psycopg2",),
    "pymemcache": ("pymemcache",),
    "pymongo": ("pymongo",),
    "pymssql": ("pymssql",),
    "pymysql": ("pymysql",),
    "pyramid": ("pyramid.config",),
    "redis": ("redis",),
    "remoulade": ("remoulade",),
    "requests": ("requests",),
    "sqlalchemy": ("sqlalchemy",),
    "sqlite3": ("sqlite3",),
    "starlette": ("starlette.applications",),
    "tornado": ("tornado.web", "tornado.httpclient"),
    "tortoiseorm": ("tortoise",),
    "urllib": ("urllib.request",),
    "urllib3": ("urllib3",),
}
"""Instrumentor → the modules of which the first that is imported loads it.

A package where the instrumentor replaces names in it; a module of it where the package alone does nothing yet, or where
programs patch themselves between the package's import and the use of the rest (celery's pools of gevent and eventlet): an
instrumentor must not be the one who imports the rest too early."""

FIRST: Final[Mapping[str, str]] = {"starlette": "fastapi"}
"""Instrumentor → the one to load before it. FastAPI's class derives from Starlette's: derived from the instrumented
one, it would count as instrumented, and its requests bear no route."""

_ELSEWHERE: Final[Mapping[str, str]] = {
    "boto3": "boto3sqs",
    **dict.fromkeys(("grpc_aio_client", "grpc_aio_server", "grpc_client", "grpc_server"), "grpc"),
}


def watched_modules() -> Iterator[str]:
    """Modules that show that there may be something to instrument: libraries, and the instrumentors' own modules."""
    for name, modules in TRIGGERS.items():
        yield from modules
        yield f"{PUBLISHER}{_ELSEWHERE.get(name, name.replace('-', '_'))}"


def triggers(entry_point: Any) -> tuple[str, ...]:
    """The modules that an instrumentor waits for; empty: load it at the start."""
    if not str(getattr(entry_point, "value", "")).startswith(PUBLISHER):
        return ()
    return TRIGGERS.get(entry_point.name, ())
