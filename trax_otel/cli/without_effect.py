"""What can be seen in a command that keeps telemetry from starting: an option, a wrapper, a script's first line.

Telemetry reaches the command's interpreter by PYTHONPATH; whatever takes that away, or keeps Python from looking at it,
leaves the command running, and nothing observed. What cannot be seen here (another interpreter) says so itself when it starts.
"""

from __future__ import annotations

import re
import shlex
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_PYTHON: Final = r"(python|pypy)[0-9.]*"
_DEAF: Final = {"I": "ignores PYTHONPATH", "E": "ignores PYTHONPATH", "S": "does not load what starts telemetry"}
_VALUES: Final = "WX"
_PROGRAM: Final = "cm"
_ELSEWHERE: Final = ("docker", "podman", "kubectl", "ssh", "su")
_RESETTING: Final = ("sudo", "doas")
_KEPT: Final = r"-\w*E\w*|--preserve-env(=.*PYTHONPATH.*)?"
_MAX_LINKS: Final = 4
_HEAD: Final = 65_536


def reason(words: Sequence[str], path: str | None = None) -> str | None:
    """Why a command will not be observed and what to do, as one line; None where nothing speaks against it.

    `path` is where commands are looked for (PATH unless given).
    """
    for _ in range(_MAX_LINKS):  # env runs a script, whose first line names an interpreter
        if not words:
            return None
        name = Path(words[0]).name
        if re.fullmatch(_PYTHON, name):
            return _of_python(name, words[1:])
        if name == "env":
            found, words = _of_env(words[1:])
            if found is not None:
                return found
            continue
        if name in _ELSEWHERE:
            return (
                f"{name} starts the program elsewhere, without telemetry: put `trax-otel run --` in front of it there"
            )
        if name in _RESETTING and not any(re.fullmatch(_KEPT, word) for word in _options(words[1:])):
            return f"{name} resets the environment, and telemetry with it: write {name} trax-otel run -- …"
        file = shutil.which(words[0], path=path)
        if file is None:
            return None
        found, interpreter = _of_file(Path(file))
        if found is not None or not interpreter:
            return found
        words = [*interpreter, file, *words[1:]]
    return None


def _of_python(name: str, arguments: Sequence[str]) -> str | None:
    rest = iter(arguments)
    for word in rest:
        if not word.startswith("-") or word == "-":
            return None
        if word.startswith("--"):
            if word == "--check-hash-based-pycs":
                next(rest, None)
            continue
        for place, letter in enumerate(word[1:], 1):
            if letter in _DEAF:
                return (
                    f"{name} -{letter} {_DEAF[letter]}: it runs without telemetry. Leave -{letter} out, or call "
                    "trax_otel.configure() in the program"
                )
            if letter in _PROGRAM:
                return None
            if letter in _VALUES:
                if place == len(word) - 1:
                    next(rest, None)
                break
    return None


def _of_env(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """What `env` takes away, and the command that it runs."""
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word in {"-", "-i", "--ignore-environment"}:
            return "env -i empties the environment, and telemetry with it: write env -i … trax-otel run -- …", []
        if word in {"-u", "--unset", "-C", "--chdir"}:
            value = words.pop(0) if words else ""
            if word in {"-u", "--unset"} and value == "PYTHONPATH":
                return "env takes PYTHONPATH away, by which telemetry starts: it runs without", []
        elif word in {"-S", "--split-string"}:
            words = [*shlex.split(words.pop(0) if words else ""), *words]
        elif word.startswith("-S"):
            words = [*shlex.split(word[2:]), *words]
        elif word.startswith("PYTHONPATH="):
            return "env sets another PYTHONPATH, and telemetry starts by it: set it before `trax-otel run`", []
        elif not word.startswith("-") and "=" not in word:
            return None, [word, *words]
    return None, []


def _options(words: Sequence[str]) -> list[str]:
    found = []
    for word in words:
        if not word.startswith("-"):
            break
        found.append(word)
    return found


def _of_file(file: Path) -> tuple[str | None, list[str]]:
    """What an executable file says of itself, and the interpreter that its first line names."""
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD)
        if not head.startswith(b"#!"):
            return None, []
        interpreter = head[2:].partition(b"\n")[0].decode(errors="replace").split(None, 1)
        if zipfile.is_zipfile(file) and "PEX-INFO" in zipfile.ZipFile(file).namelist():
            return (
                f"{file.name} is a pex, which starts Python without PYTHONPATH: put trax-otel in and call configure()",
                [],
            )
    except (OSError, ValueError, zipfile.BadZipFile):
        return None, []
    if interpreter and re.fullmatch(r"(ba|da|k|z)?sh", Path(interpreter[0]).name):
        text = head.decode(errors="replace")
        if re.search(r"^\s*(export\s+)?PYTHONPATH=(?!.*PYTHONPATH)", text, re.MULTILINE):
            return (
                f"{file.name} sets another PYTHONPATH, and telemetry starts by it: let it keep $PYTHONPATH in front",
                [],
            )
        return None, []
    arguments = interpreter[1].split() if len(interpreter) > 1 else []
    return None, [*interpreter[:1], *arguments]
