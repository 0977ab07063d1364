"""Fetch Go's toolchain module from a module proxy: `fetch_go.py PROXY VERSION SHA256 FOLDER`."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path


def fetch(proxy: str, version: str, sha256: str, folder: Path) -> None:
    """Lay the toolchain into `folder`; nothing is there where the download fails or its hash is another."""
    module = f"golang.org/toolchain@v0.0.1-go{version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        archive = Path(temporary, "go.zip")
        address = f"{proxy.rstrip('/')}/{module.replace('@', '/@v/')}.zip"
        with urllib.request.urlopen(address, timeout=60) as answer, archive.open("wb") as file:
            shutil.copyfileobj(answer, file)
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != sha256:
            raise SystemExit(f"Go {version} has the hash {found}, not {sha256}: it is not used")
        with zipfile.ZipFile(archive) as content:
            content.extractall(temporary)
        made = Path(temporary, *module.split("/"))
        for program in [*made.glob("bin/*"), *made.glob("pkg/tool/*/*")]:
            program.chmod(0o755)  # a module's archive has no modes
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


if __name__ == "__main__":
    fetch(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
