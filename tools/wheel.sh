#!/bin/sh
# wheel.sh PYTHON: build the wheel, install it alone into a clean environment and use it as a user would.
set -eu
python=$1
here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m build --wheel --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
wheel=$(ls "$work"/dist/*.whl)
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check -c requirements/ci.txt "$wheel" mypy
cat > "$work/user.py" <<'P'
from trax_otel.errors import NetworkError, create_network_error
from trax_otel.logging import get_logger, timing_context

reveal_type(create_network_error("no route"))
with timing_context("work") as timer:
    get_logger(__name__).info("hello", extra={"correlation_id": "req-1"})
reveal_type(timer.duration_ms)
error: NetworkError = create_network_error(42)
P
cd "$work"
"$work/venv/bin/trax-otel" --version
for other in rich requests grpc; do
  "$work/venv/bin/python" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$other') is not None)" || {
    echo "the base brings $other" >&2; exit 1; }
done
COLUMNS=80 "$work/venv/bin/trax-otel" doctor --endpoint http://127.0.0.1:9 | grep -q 'nothing listens at 127.0.0.1:9'
"$work/venv/bin/trax-otel" bootstrap --requirements | grep -q opentelemetry-instrumentation-sqlite3
"$work/venv/bin/trax-otel" state list 2>&1 | grep -q "pip install 'trax-otel\[state\]'"
"$work/venv/bin/trax-otel" local 2>&1 | grep -q "pip install 'trax-otel\[local\]'"
"$work/venv/bin/trax-otel" run -- "$work/venv/bin/python" -c 'print("runs")' | grep -qx runs
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check -c "$here/requirements/ci.txt" "$wheel[local]"
"$work/venv/bin/trax-otel" local --db "$work/none.db" traces 2>&1 | grep -q 'no telemetry has been stored yet'
"$work/venv/bin/python" -c "import rich, trax_otel.local.terminal, trax_otel.local.http_receiver, trax_otel.local.grpc_receiver"
for page in web/templates web/static; do
  "$work/venv/bin/python" -c "import sys, pathlib, trax_otel.local as m; p = pathlib.Path(m.__file__).parent / sys.argv[1]
assert any(p.iterdir()), p" "$page"
done
"$work/venv/bin/python" -c "from trax_otel.cli.demo_story import example_folder as f; assert (f() / 'audio').is_dir() and 'site-packages' in str(f())"
"$work/venv/bin/mypy" --strict user.py >"$work/mypy.log" && { echo "mypy let a wrong argument pass" >&2; exit 1; }
grep -q 'Revealed type is .*NetworkError' "$work/mypy.log" && grep -q 'Revealed type is "builtins.float"\|Revealed type is "float"' "$work/mypy.log" \
  && [ "$(grep -c 'error:' "$work/mypy.log")" = 1 ] && grep -q 'arg-type' "$work/mypy.log" || { cat "$work/mypy.log" >&2; exit 1; }
echo "wheel: builds, installs alone, runs, and is typed for its users"
