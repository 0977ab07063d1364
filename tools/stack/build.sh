#!/usr/bin/env bash
# Builds the stack's servers from Go modules, once: what is built is kept and only built again when its version changes.
#   tools/stack/build.sh [collector prometheus alertmanager jaeger loki tempo grafana compose kubernetes]     (default: all of them)
#   TRAX_STACK_HOME   where programs and sources are kept (default: ~/.cache/trax-otel/stack); programs are in its bin/
# Needs Go, a C compiler, git and python3 (toolchain.sh gets what is missing); no container engine. Every module is checked, by the checksum
# database or by the go.sum that upstream itself carries. One server after another, at low priority: a build of all from empty caches
# takes about 22 minutes on two cores.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
home=${TRAX_STACK_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/trax-otel/stack}
bin=$home/bin src=$home/src stamps=$home/built logs=$home/logs
export GOMAXPROCS=${GOMAXPROCS:-2} GOFLAGS=-buildvcs=false
# shellcheck source=versions.env
. "$here/versions.env"
servers=(collector prometheus alertmanager jaeger loki tempo grafana compose kubernetes)

folder_of() { # module@version -> where its source is
  (cd "$src" && go mod download -json "$1") | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])'
}

module() { # name module version [go.sum lines]: a module of our own with upstream's requirements, replacements and checksums
  local up
  mkdir -p "$src/$1"
  cd "$src/$1"
  printf 'module wrapper\ngo 1.25\n' >go.mod
  printf '%s' "${4:-}" >go.sum
  up=$(GOFLAGS=-mod=mod go mod download -json "$2@$3" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
  { cat "$up/go.sum"; printf '%s' "${4:-}"; } >go.sum
  python3 "$here/gomod.py" "$up/go.mod" "$2" "$3" >go.mod
}

program() { # name package [flags]
  GOFLAGS="-mod=mod -buildvcs=false" nice -n 19 go build -trimpath -ldflags='-s -w' -o "$bin/$1" "${@:3}" "$2"
}

build_collector() {
  GOBIN=$bin nice -n 19 go install "go.opentelemetry.io/collector/cmd/builder@$COLLECTOR"
  mkdir -p "$src/collector"
  cd "$src/collector"
  sed -e "s/@VERSION@/$COLLECTOR/; s/@STABLE@/$COLLECTOR_STABLE/" "$root/collector-config/builder.yaml" >manifest.yaml
  nice -n 19 "$bin/builder" --config manifest.yaml
  cp out/otelcol-trax "$bin/"
}
build_prometheus() {
  module prometheus github.com/prometheus/prometheus "$PROMETHEUS"
  program prometheus github.com/prometheus/prometheus/cmd/prometheus -tags remove_all_sd
  program promtool github.com/prometheus/prometheus/cmd/promtool -tags remove_all_sd
}
build_alertmanager() {
  module alertmanager github.com/prometheus/alertmanager "$ALERTMANAGER"
  program alertmanager github.com/prometheus/alertmanager/cmd/alertmanager
  program amtool github.com/prometheus/alertmanager/cmd/amtool
}
build_jaeger() {
  module jaeger github.com/jaegertracing/jaeger "$JAEGER"
  program jaeger github.com/jaegertracing/jaeger/cmd/jaeger
}
build_loki() {
  module loki github.com/grafana/loki/v3 "$LOKI"
  program loki github.com/grafana/loki/v3/cmd/loki
}
build_tempo() { # the checksum database does not know this version; Grafana publishes its hashes in its own go.sum
  module tempo github.com/grafana/tempo "$TEMPO" "github.com/grafana/tempo $TEMPO h1:XMreZ1SPjLpd9zhql5FXKFYwAcgBzS2E2MOPx4n+FyY=
github.com/grafana/tempo $TEMPO/go.mod h1:UKONJhBCxmL+0ri27VMledCVzZIJqnl6Ah24A5vCRzs=
"
  program tempo github.com/grafana/tempo/cmd/tempo
}
build_grafana() { # its home folder (defaults, templates) is kept beside the program
  local up
  up=$(folder_of "github.com/grafana/grafana@$GRAFANA")
  rm -rf "$src/grafana"
  cp -r "$up" "$src/grafana"
  chmod -R u+w "$src/grafana"
  cd "$src/grafana"
  GOBIN=$bin nice -n 19 go install "github.com/google/wire/cmd/wire@$WIRE"
  GOFLAGS="-mod=mod -buildvcs=false" nice -n 19 "$bin/wire" gen -tags oss ./pkg/server
  program grafana ./pkg/cmd/grafana
}
checker() { # name: a program of our own
  cd "$here/$1"
  nice -n 19 go build -trimpath -ldflags='-s -w' -o "$bin/$1-check" .
}
build_compose() { checker compose; } # the compose specification's own parser, for the test of compose.yaml
build_kubernetes() { checker kubernetes; } # Helm's engine and Kubernetes' own types, for the test of kubernetes/

stamp_of() { # what a server is built from: its version, and for the collector the manifest
  case $1 in
    collector) { echo "$COLLECTOR $COLLECTOR_STABLE"; cat "$root/collector-config/builder.yaml"; } | cksum ;;
    compose | kubernetes) cat "$here/$1"/* | cksum ;;
    *) version_of "$1" ;;
  esac
}
version_of() { local name=${1^^}; echo "${!name}"; }

build() {
  local started=$SECONDS stamp
  stamp=$(stamp_of "$1")
  if [ "$(cat "$stamps/$1" 2>/dev/null)" = "$stamp" ]; then
    printf '%-13s %-40s kept\n' "$1" "$(version_of "$1")"
    return
  fi
  if ! ( "build_$1" ) >"$logs/build-$1.log" 2>&1; then
    printf '%-13s %-40s FAILED after %s s; see %s\n' "$1" "$(version_of "$1")" $((SECONDS - started)) "$logs/build-$1.log" >&2
    tail -n 20 "$logs/build-$1.log" >&2
    return 1
  fi
  echo "$stamp" >"$stamps/$1"
  printf '%-13s %-40s built in %s s\n' "$1" "$(version_of "$1")" $((SECONDS - started))
}

toolchain=$("$here/toolchain.sh" "$home")
export PATH=$toolchain:$PATH
mkdir -p "$bin" "$src" "$stamps" "$logs"
for name in "${@:-${servers[@]}}"; do
  case " ${servers[*]} " in
    *" $name "*) build "$name" ;;
    *) echo "no such server: $name (${servers[*]})" >&2; exit 2 ;;
  esac
done
