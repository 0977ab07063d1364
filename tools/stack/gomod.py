"""Write the go.mod of a module of our own that requires MODULE@VERSION under upstream's requirements and replacements.

    gomod.py UPSTREAM_GO_MOD MODULE VERSION > go.mod

A server is a main module upstream: required as a dependency, its `replace` and `exclude` lines would not count, so they are
copied. Replacements by a folder of upstream's own repository are left out: that module is had by its version instead.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

LOCAL_FOLDER = re.compile(r"=>\s*\.")


def wrapper(upstream: str, module: str, version: str) -> str:
    """The text of a go.mod whose build list is upstream's own."""
    go_line = re.search(r"^go .*", upstream, re.MULTILINE)
    lines = ["module wrapper", go_line.group(0) if go_line else "go 1.25", f"require {module} {version}"]
    lines += re.findall(r"^require \(.*?^\)", upstream, re.DOTALL | re.MULTILINE)
    rules = re.findall(r"^(?:replace|exclude) [^(\n].*$", upstream, re.MULTILINE)
    for kind, block in re.findall(r"^(replace|exclude) \((.*?)^\)", upstream, re.DOTALL | re.MULTILINE):
        entries = (line.split("//")[0].strip() for line in block.splitlines())
        rules += [f"{kind} {entry}" for entry in entries if entry]
    lines += [rule for rule in rules if not LOCAL_FOLDER.search(rule)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(wrapper(Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[2], sys.argv[3]))
