#!/bin/sh
# Chromium and its driver for the browser tests: found, or installed where that is possible. In CI they must be there.
found() { command -v chromedriver >/dev/null 2>&1 && { command -v chromium || command -v google-chrome; } >/dev/null 2>&1; }

found && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "Installing Chromium for the browser tests …"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium chromium-driver
  } >/dev/null 2>&1
fi
found && exit 0
if [ -n "${CI:-}" ]; then
  echo "Chromium and chromedriver are needed in CI and could not be installed" >&2
  exit 1
fi
echo "No Chromium: the browser tests will be skipped. On Debian or Ubuntu: sudo apt-get install chromium chromium-driver"
