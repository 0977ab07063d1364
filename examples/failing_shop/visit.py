"""Ask the failing shop for everything that goes wrong in it, and for what goes well:

python visit.py http://127.0.0.1:8000
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request

ASKED: list[tuple[str, object]] = [
    ("/history", None), ("/report", None), ("/pay", {}), ("/convert", None), ("/balance", None),
    ("/orders", {"number": "N99", "items": "three"}), ("/orders", {"number": "N7", "items": 1}),
    ("/catalogue", None), ("/mail", {}), ("/orders", {"number": "N98", "items": 3}),
    *[("/login", {"user": "admin"})] * 12,
]  # fmt: skip


def visit(address: str) -> list[tuple[str, int]]:
    """Each path with the status that it was answered with."""
    answers = []
    for path, body in ASKED:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(address + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                answers.append((path, answer.status))
        except urllib.error.HTTPError as error:
            error.close()
            answers.append((path, error.code))
    return answers


if __name__ == "__main__":
    for path, status in visit(sys.argv[1]):
        print(status, path)
