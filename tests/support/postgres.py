"""A PostgreSQL server of the tests' own: made by `initdb` in a temporary folder, stopped and deleted after use."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "trax"
PASSWORD = "s3cret-of-the-tests"
DATABASE = "postgres"
# What only a power cut could lose is not written through: tests stop servers and kill clients, never the machine.
SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=200", "log_min_messages=fatal")
_SECONDS = 30.0


class Unavailable(Exception):
    """No server can be had here; the message says why."""


class PostgresServer:
    """A server on 127.0.0.1 that can be stopped and started again on the same data."""

    def __init__(self, folder: Path) -> None:
        self._programs = _programs()
        self._folder = folder
        self._owner = _owner()
        self.port = _free_port()
        if self._owner is not None:
            os.chown(folder, self._owner.pw_uid, self._owner.pw_gid)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)  # inside a folder that only the owner enters
        self._run("initdb", "-D", str(folder / "data"), "-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}",
                  "-E", "UTF8", "--locale=C", "--no-sync")  # fmt: skip

    @property
    def url(self) -> str:
        """Where it is, with the password."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-h 127.0.0.1 -p {self.port} -k {self._folder} " + " ".join(f"-c {setting}" for setting in SETTINGS)
        self._run(
            "pg_ctl", "-D", str(self._folder / "data"), "-l", str(self._folder / "log"), "-w", "-o", options, "start"
        )

    def stop(self) -> None:
        """Stop it at once; connections break."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")

    def database(self, name: str) -> str:
        """The URL of a fresh database of this name."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url.rpartition("/")[0] + f"/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        owner = self._owner
        ran = subprocess.run(
            [str(self._programs / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=_SECONDS,
            cwd=self._folder,
            # The server refuses to run as root.
            user=None if owner is None else owner.pw_uid,
            group=None if owner is None else owner.pw_gid,
            extra_groups=None if owner is None else [],
        )
        if ran.returncode:
            log = self._folder / "log"
            raise Unavailable(f"{program}: {ran.stderr.strip()} {log.read_text()[-500:] if log.exists() else ''}")


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A running server. Raises Unavailable where PostgreSQL's programs are missing or cannot be run."""
    folder = Path(tempfile.mkdtemp(prefix="trax-pg-"))
    try:
        server = PostgresServer(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not folders:
        raise Unavailable("PostgreSQL's initdb is not installed: tools/postgres.sh")
    return folders[-1].parent


def _owner() -> pwd.struct_passwd | None:
    """Who runs the server where we are root, else None: whoever we are."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Unavailable("running as root, and there is neither a user `postgres` nor `nobody`")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
