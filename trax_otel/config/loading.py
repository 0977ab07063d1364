"""From defaults, JSON file, environment and arguments to Settings. A value that cannot be taken becomes a Problem."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .fields import BY_KEY, BY_VARIABLE, FILE_VARIABLE, OTHER_VARIABLES, SECTIONS, nearest
from .sections import UNSET, Settings

SECRET_NAME: Final = r"(?i)pass|secret|token|key|auth|credential|cookie"  # noqa: S105
"""Names of settings whose values are not shown; compiled when one is looked at, not at import."""
_MAX_FILE: Final = 1024 * 1024
_ENVIRONMENT: Final = "environment"
PREFIX: Final = "TRAX_"
_MISSPELT: Final = 0.8


class Problem:
    """One value that was not taken: where it stands, its name, and what is allowed. `str()` is one clear line."""

    __slots__ = ("message", "name", "source")

    def __init__(self, source: str, name: str, message: str) -> None:
        self.source = source
        self.name = name
        self.message = message

    def __str__(self) -> str:
        line = f"{self.source}: {self.name}: {self.message}" if self.name else f"{self.source}: {self.message}"
        return " ".join(line.split())  # a key or value from outside may hold line breaks


class _Given:
    """A value as somebody gave it."""

    __slots__ = ("key", "name", "source", "value")

    def __init__(self, source: str, name: str, key: str, value: Any) -> None:
        self.source = source
        self.name = name
        self.key = key
        self.value = value


def load(
    arguments: Mapping[str, Mapping[str, Any]] | None = None,
    environ: Mapping[str, str] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> tuple[Settings, tuple[Problem, ...]]:
    """The settings, and what could not be taken (its default, or the lower source's value, holds).

    `arguments` are nested as the JSON file is, `{"logging": {"level": "DEBUG"}}`; `UNSET` values fall through.
    `environ` is `os.environ` unless given. `path` is the JSON file, else the one that TRAX_CONFIG_FILE names.
    """
    environ = os.environ if environ is None else environ
    problems: list[Problem] = []
    chosen = path or environ.get(FILE_VARIABLE) or None
    values: dict[str, Any] = {}
    for given in (
        *(_from_file(chosen, problems, os.fspath(chosen) if path else f"{FILE_VARIABLE}={chosen}") if chosen else ()),
        *_from_environment(environ, problems),
        *_from_sections(arguments or {}, "arguments", problems),
    ):
        kind = BY_KEY[given.key].kind
        try:
            values[given.key] = value = kind.parse(given.value)
            if isinstance(given.value, str) and isinstance(value, (bool, int, float)) and given.source != _ENVIRONMENT:
                del values[given.key]
                raise ValueError  # only the environment has nothing but texts
        except (ValueError, TypeError, OverflowError):
            problems.append(Problem(given.source, given.name, f"{_shown(given)} is not {kind.allowed}"))
    return _settings(values), tuple(problems)


def _settings(values: Mapping[str, Any]) -> Settings:
    settings = Settings()
    sections = {}
    for section in SECTIONS:
        own = {key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{section}.")}
        sections[section] = getattr(settings, section).replace(**own)
    return settings.replace(**sections)


def _from_file(path: str | os.PathLike[str], problems: list[Problem], named: str) -> Iterator[_Given]:
    import json
    from pathlib import Path

    source = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_MAX_FILE + 1)
        if len(raw) > _MAX_FILE:
            raise ValueError(f"is larger than {_MAX_FILE} bytes")
        content = json.loads(raw.decode("utf-8-sig"))
    except OSError as error:
        problems.append(Problem(named, "", f"cannot be read: {error.strerror or error}"))
        return
    except RecursionError:
        problems.append(Problem(source, "", "is not valid JSON: nested too deep"))
        return
    except ValueError as error:
        problems.append(Problem(source, "", f"is not valid JSON: {error}"))
        return
    if not isinstance(content, dict):
        problems.append(Problem(source, "", f"holds {_type(content)}, not an object with {', '.join(SECTIONS)}"))
        return
    yield from _from_sections(content, source, problems)


def _from_sections(content: Mapping[str, Any], source: str, problems: list[Problem]) -> Iterator[_Given]:
    for section, keys in content.items():
        if section not in SECTIONS:
            problems.append(Problem(source, str(section), f"no such section{_hint(section, SECTIONS)}"))
            continue
        if not isinstance(keys, Mapping):
            problems.append(Problem(source, section, f"is {_type(keys)}, not an object"))
            continue
        for name, value in keys.items():
            key = f"{section}.{name}"
            if key not in BY_KEY:
                known = [field.name for field in BY_KEY.values() if field.section == section]
                problems.append(Problem(source, key, f"no such key{_hint(name, known)}"))
            elif value is not UNSET:
                yield _Given(source, key, key, value)


def _from_environment(environ: Mapping[str, str], problems: list[Problem]) -> Iterator[_Given]:
    for variable, value in sorted(environ.items()):
        if not variable.startswith(PREFIX):
            continue
        field = BY_VARIABLE.get(variable)
        if field is not None:
            if value != "":  # as OpenTelemetry has it: an empty variable is an unset one
                yield _Given(_ENVIRONMENT, variable, field.key, value)
        elif variable not in OTHER_VARIABLES:
            known = [name.removeprefix(PREFIX) for name in (*BY_VARIABLE, *OTHER_VARIABLES)]
            meant = nearest(variable.removeprefix(PREFIX), known, _MISSPELT)  # an application's own may begin so too
            if meant is not None:
                problems.append(Problem(_ENVIRONMENT, variable, f"no such variable; did you mean {PREFIX}{meant}?"))


def _hint(name: object, known: Any) -> str:
    meant = nearest(str(name), known)
    return f"; did you mean {meant}?" if meant else f"; there are {', '.join(known)}"


def _shown(given: _Given) -> str:
    if re.search(SECRET_NAME, given.name) or (
        isinstance(given.value, str) and "://" in given.value and "@" in given.value
    ):
        return "its value (not shown)"
    text = repr(given.value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _type(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
