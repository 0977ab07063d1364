#!/usr/bin/env bash
# Prints the folder of a Go that can build the stack: the one on the PATH where it is new enough, else Go's own toolchain module,
# fetched once and checked by its hash. A C compiler (Grafana's SQLite) and git are installed where that is possible.
#   tools/stack/toolchain.sh FOLDER        FOLDER keeps what is fetched
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=versions.env
. "$here/versions.env"

say() { echo "$*" >&2; }

missing=()
for needed in gcc git python3; do command -v "$needed" >/dev/null || missing+=("$needed"); done
if [ ${#missing[@]} -gt 0 ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  say "Installing ${missing[*]} for the build of the stack …"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" libc6-dev
  } >/dev/null 2>&1 || true
fi
for needed in "${missing[@]}"; do
  command -v "$needed" >/dev/null || { say "The stack's build needs $needed; on Debian or Ubuntu: sudo apt-get install $needed"; exit 1; }
done

new_enough() { # go's answer, such as "go version go1.26.8 linux/amd64"
  local version
  version=$("$1" version 2>/dev/null) || return 1
  version=${version#go version go} version=${version%% *}
  [ "$(printf '%s\n' "$GO_OLDEST" "$version" | sort -V | head -n 1)" = "$GO_OLDEST" ]
}

if command -v go >/dev/null && new_enough go; then
  dirname "$(command -v go)"
  exit
fi
kept=$1/go-$GO
if ! new_enough "$kept/bin/go"; then
  case $(uname -s)-$(uname -m) in
    Linux-x86_64) platform=linux-amd64 hash=$GO_LINUX_AMD64 ;;
    Linux-aarch64) platform=linux-arm64 hash=$GO_LINUX_ARM64 ;;
    *) say "The stack is built with Go $GO_OLDEST or newer: install it from https://go.dev/dl, or use docker compose."; exit 1 ;;
  esac
  proxy=${GOPROXY:-https://proxy.golang.org}
  say "Fetching Go $GO for the build of the stack …"
  python3 "$here/fetch_go.py" "${proxy%%[,|]*}" "$GO.$platform" "$hash" "$kept" >&2
fi
echo "$kept/bin"
