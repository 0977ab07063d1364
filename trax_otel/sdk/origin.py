"""Which code is served, and where: its version, its commit, the deployment's environment. Found, never guessed.

Three places are looked at, and only read: the usual variables of CI and platforms, the metadata of the package that the command
serves, and the `.git` folder above it, if that file is tracked there. What is not certain is left out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from .. import semconv

VERSION_VARIABLES: Final = (
    "SERVICE_VERSION", "APP_VERSION", "DD_VERSION", "SENTRY_RELEASE", "HEROKU_RELEASE_VERSION", "GAE_VERSION", "K_REVISION",
)  # fmt: skip
"""The first that is set is `service.version`."""
COMMIT_VARIABLES: Final = (
    "GIT_COMMIT", "GIT_SHA", "GIT_COMMIT_SHA", "COMMIT_SHA", "SOURCE_VERSION", "SOURCE_COMMIT", "HEROKU_BUILD_COMMIT",
    "HEROKU_SLUG_COMMIT", "RENDER_GIT_COMMIT", "RAILWAY_GIT_COMMIT_SHA", "VERCEL_GIT_COMMIT_SHA", "KOYEB_GIT_SHA",
    "OPENSHIFT_BUILD_COMMIT", "GITHUB_SHA", "CI_COMMIT_SHA", "BITBUCKET_COMMIT", "CIRCLE_SHA1", "BUILD_SOURCEVERSION",
    "CODEBUILD_RESOLVED_SOURCE_VERSION", "TRAVIS_COMMIT", "DRONE_COMMIT_SHA",
)  # fmt: skip
"""The first that holds a commit's hash is `vcs.ref.head.revision`, where no `.git` says it."""
ENVIRONMENT_VARIABLES: Final = (
    "DEPLOYMENT_ENVIRONMENT", "DD_ENV", "SENTRY_ENVIRONMENT", "RAILWAY_ENVIRONMENT_NAME", "VERCEL_ENV",
)  # fmt: skip
"""The first that is set is `deployment.environment.name`."""
GENERAL_ENVIRONMENT_VARIABLES: Final = ("APP_ENV", "APP_ENVIRONMENT", "DJANGO_ENV", "FLASK_ENV", "ENVIRONMENT", "ENV")
"""Read too, where what they hold is one of `ENVIRONMENTS` and they do not contradict each other."""
ENVIRONMENTS: Final = frozenset({
    "production", "prod", "live", "staging", "stage", "preprod", "pre-production", "preview", "sandbox", "integration", "uat",
    "qa", "test", "testing", "development", "develop", "dev", "local",
})  # fmt: skip
MAX_INDEX: Final = 64 << 20
"""Bytes of a git index that are read; a larger one leaves the commit out."""
_MAX_TEXT: Final = 1 << 20
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")
_NAME: Final = re.compile(r"[\w.+@/-]{1,128}")


def origin(environ: Mapping[str, str], module: str, script: Path | None) -> dict[str, Any]:
    """The attributes that could be found. `module` is what the command serves (or empty), `script` the file that it runs."""
    source = script if script is not None else _source(module)
    found = {
        semconv.SERVICE_VERSION: _named(environ, VERSION_VARIABLES) or _package_version(module, source),
        semconv.VCS_REF_HEAD_REVISION: (source and commit_of(source)) or _commit(environ),
        semconv.DEPLOYMENT_ENVIRONMENT_NAME: _named(environ, ENVIRONMENT_VARIABLES) or _general_environment(environ),
    }
    return {name: value for name, value in found.items() if value}


# --- Variables ----------------------------------------------------------------------------------------------------


def _named(environ: Mapping[str, str], variables: tuple[str, ...]) -> str | None:
    values = (environ.get(variable, "").strip() for variable in variables)
    return next((value for value in values if _NAME.fullmatch(value)), None)


def _commit(environ: Mapping[str, str]) -> str | None:
    values = (environ.get(variable, "").strip().lower() for variable in COMMIT_VARIABLES)
    return next((value for value in values if _COMMIT.fullmatch(value)), None)


def _general_environment(environ: Mapping[str, str]) -> str | None:
    values = {environ.get(variable, "").strip().lower() for variable in GENERAL_ENVIRONMENT_VARIABLES} & ENVIRONMENTS
    return values.pop() if len(values) == 1 else None


# --- Package ------------------------------------------------------------------------------------------------------


def _source(module: str) -> Path | None:
    """The file of a module's package, without importing it; servers look in the current folder first."""
    try:
        spec = PathFinder.find_spec(module.partition(".")[0], [str(Path.cwd()), *sys.path]) if module else None
    except Exception:  # a finder or a path entry of others
        return None
    return Path(spec.origin) if spec is not None and spec.origin and spec.has_location else None


def _package_version(module: str, source: Path | None) -> str | None:
    """The version of the distribution that `source` belongs to; the module's name must be its own, or its record names it."""
    top = module.partition(".")[0]
    if not top or source is None:
        return None
    try:
        found = distribution(top)
    except (PackageNotFoundError, ValueError):
        return _recorded_version(source)
    try:
        return found.version if _belongs(source, found) else None
    except Exception:  # metadata that somebody wrote by hand
        return None


def _belongs(source: Path, found: Distribution) -> bool:
    base = Path(str(found.locate_file(""))).resolve()
    if source.resolve().is_relative_to(base) and "site-packages" in base.parts:
        return True
    direct = json.loads(found.read_text("direct_url.json") or "{}")
    folder = Path(unquote(urlsplit(str(direct.get("url", ""))).path) or "/nowhere")
    return bool(direct.get("dir_info", {}).get("editable")) and source.resolve().is_relative_to(folder.resolve())


def _recorded_version(source: Path) -> str | None:
    """For a package whose distribution is called otherwise: whose record has its file."""
    site = source.parent.parent if source.name == "__init__.py" else source.parent
    if site.name not in {"site-packages", "dist-packages"}:
        return None
    wanted = f"{source.relative_to(site).as_posix()},"
    try:
        for record in site.glob("*.dist-info/RECORD"):
            text = record.read_text(errors="replace")
            if text.startswith(wanted) or f"\n{wanted}" in text:
                return Distribution.at(record.parent).version
    except OSError:
        return None
    return None


# --- Git ----------------------------------------------------------------------------------------------------------


def commit_of(source: Path) -> str | None:
    """The commit that is checked out where a file is tracked; None where it is not, or nothing is certain."""
    try:
        path = source.resolve()
        for folder in path.parents:
            entry = folder / ".git"
            if entry.exists():
                git = entry if entry.is_dir() else folder / _text(entry).removeprefix("gitdir:").strip()
                return _head(git) if _tracked(git / "index", path.relative_to(folder).as_posix().encode()) else None
    except (OSError, ValueError):
        return None
    return None


def _tracked(index: Path, path: bytes) -> bool:
    """Whether git's index has the path: the two bytes before a path hold its length."""
    if index.stat().st_size > MAX_INDEX:
        return False
    data = index.read_bytes()
    place = data.find(path + b"\0")
    while place > 1:
        if int.from_bytes(data[place - 2 : place], "big") & 0xFFF == min(len(path), 0xFFF):
            return True
        place = data.find(path + b"\0", place + 1)
    return False


def _head(git: Path) -> str | None:
    head = _text(git / "HEAD")
    if not head.startswith("ref:"):
        return head if _COMMIT.fullmatch(head) else None
    name = head.removeprefix("ref:").strip()
    shared = (
        git / _text(git / "commondir") if (git / "commondir").exists() else git
    )  # a worktree's refs are its repository's
    found = next(_revisions(git, shared, name), "")
    return found if _COMMIT.fullmatch(found) else None


def _revisions(git: Path, shared: Path, name: str) -> Iterator[str]:
    for folder in dict.fromkeys((git, shared)):
        if (folder / name).is_file():
            yield _text(folder / name)
    packed = shared / "packed-refs"
    if packed.is_file():
        with packed.open(errors="replace") as lines:
            yield from (line[: -len(name) - 1].strip() for line in map(str.strip, lines) if line.endswith(f" {name}"))


def _text(path: Path) -> str:
    with path.open(errors="replace") as file:
        return file.read(_MAX_TEXT).strip()
