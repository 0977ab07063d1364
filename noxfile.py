"""The suite on every other Python that is found, 3.10 to 3.13; the servers and the browser are CI's main run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
VERSIONS = ["3.10", "3.11", "3.12", "3.13"]


def interpreter(version: str) -> str | None:
    """The interpreter of a version: on the path, or one that pyenv keeps."""
    candidates = [
        shutil.which(f"python{version}"),
        *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")),
    ]
    for candidate in filter(None, candidates):
        answer = subprocess.run([candidate, "-c", ""], capture_output=True, check=False)
        if answer.returncode == 0:
            return str(candidate)
    return None


# The interpreter that runs nox has run the whole suite already.
OTHERS = [version for version in VERSIONS if version != f"{sys.version_info.major}.{sys.version_info.minor}"]
FOUND = [path for version in OTHERS if (path := interpreter(version))]


@nox.session(python=FOUND)
def tests(session: nox.Session) -> None:
    """Install with CI's pins and run what needs no server and no browser."""
    session.install("-c", "requirements/ci.txt", "-e", ".[test]", silent=True)
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "loadgroup", "-q", "-m", "not servers and not browser",
                *session.posargs)  # fmt: skip
