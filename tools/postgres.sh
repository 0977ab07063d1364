#!/bin/sh
# PostgreSQL's server programs for the tests of the state's store: found, or installed where that is possible. In CI they
# must be there. No server is set up: the tests make one of their own in a temporary folder.
found() { command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }

found && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "Installing PostgreSQL for the tests of the state's store …"
  # Debian's package would make and start a cluster at once; nobody needs it here.
  mkdir -p /etc/postgresql-common && [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends postgresql
  } >/dev/null 2>&1
fi
found && exit 0
if [ -n "${CI:-}" ]; then
  echo "PostgreSQL's server programs are needed in CI and could not be installed" >&2
  exit 1
fi
echo "No PostgreSQL: its tests will be skipped. On Debian or Ubuntu: sudo apt-get install postgresql"
