#!/bin/sh
# venv.sh PYTHON VENV EXTRA: make the environment and install the package with one extra, at the versions that CI tests.
# Names what is missing on a bare machine instead of failing half-way.
set -eu
python=$1 venv=$2 extra=$3

command -v "$python" >/dev/null 2>&1 || {
  echo "Missing: $python (Python 3.10 or newer). On Debian or Ubuntu: sudo apt-get install python3 python3-venv" >&2
  exit 1
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
  echo "$python is $("$python" -V 2>&1); Python 3.10 or newer is needed. Name another: make PYTHON=python3.12 …" >&2
  exit 1
}
"$python" -c 'import ensurepip, venv' 2>/dev/null || {
  echo "Missing: Python's venv module. On Debian or Ubuntu: sudo apt-get install python3-venv" >&2
  exit 1
}

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "Installing trax-otel[$extra] into $venv (once; a minute or two) …"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c requirements/ci.txt -e ".[$extra]" || {
  echo "The installation failed; the lines above say why. pip needs to reach a package index (or PIP_INDEX_URL)." >&2
  exit 1
}
touch "$venv/.$extra"
[ "$extra" != test ] || touch "$venv/.demo"
