#!/bin/sh
# install.sh PYTHON VENV: what `make test-services` runs — servers, workers and libraries that nobody here wrote, at the versions of
# requirements/services.txt, in an environment of their own; redis-server, for the job libraries; and uWSGI as Debian ships it.
set -eu
python=$1 venv=$2

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "Installing the programs of requirements/services.txt into $venv (once; two or three minutes) …"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements/services.txt -e ".[auto,grpc,local,state]" || {
  echo "The installation failed; the lines above say why. pip needs to reach a package index (or PIP_INDEX_URL)." >&2
  exit 1
}

found() { command -v redis-server >/dev/null 2>&1; }
uwsgi() { command -v uwsgi_python3 >/dev/null 2>&1; }
if ! found && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "Installing redis-server …"
  # The package would start a server at once; only the program is wanted.
  { apt-get update -q && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends redis-server
  } >/dev/null 2>&1 || true
fi
if ! uwsgi && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "Installing uWSGI for the system's Python (one test is left out where it cannot be had) …"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends uwsgi-core uwsgi-plugin-python3 >/dev/null 2>&1 || true
fi
found || {
  echo "Missing: redis-server. On Debian or Ubuntu: sudo apt-get install redis-server" >&2
  exit 1
}
touch "$venv/.services"
