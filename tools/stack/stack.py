"""Start and end the whole stack on this machine, without containers: `make stack`, `make stack-down`.

    stack.py up | down | status

Programs come from tools/stack/build.sh, data and logs live in TRAX_STACK_DATA (default: ~/.local/share/trax-otel/stack).
Ports: see servers.py. What `up` started is written down with its start time, and `down` ends exactly that.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from servers import Server, all_servers, ports_from_environment

READY_SECONDS = 90.0
END_SECONDS = 20.0


def data_folder() -> Path:
    """Where data, logs and the list of what runs are kept."""
    share = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local/share")
    return Path(os.environ.get("TRAX_STACK_DATA") or f"{share}/trax-otel/stack")


def started_at(pid: int) -> str:
    """When a process began, as the system tells it; empty where there is none. A reused id has another time."""
    try:  # Linux: in clock ticks, which never wavers as `ps` does by a second
        state, *fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return "" if state == "Z" else fields[18]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return ""
    shown = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, began = shown.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else began


def start(server: Server, logs: Path) -> subprocess.Popen[bytes]:
    """Start a server in a process group of its own; what it says goes to its log."""
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{server.name}.log").open("ab") as log:
        return subprocess.Popen(
            server.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, **server.environment},
        )  # fmt: skip


def answers(address: str) -> bool:
    """Whether a server says that it is ready."""
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_until_ready(server: Server, process: subprocess.Popen[bytes], logs: Path) -> None:
    """Return when the server is ready; RuntimeError with its last lines where it ended or takes too long."""
    end = time.monotonic() + READY_SECONDS
    while not answers(server.ready):
        if process.poll() is not None or time.monotonic() > end:
            log = (logs / f"{server.name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
            raise RuntimeError(f"{server.name} is not ready at {server.ready}:\n" + "\n".join(log[-15:]))
        time.sleep(0.2)


def end(pids: list[int]) -> None:
    """Ask processes to end and, after a while, make them."""
    for signal_number, seconds in ((signal.SIGTERM, END_SECONDS), (signal.SIGKILL, 5.0)):
        until = time.monotonic() + seconds
        for pid in pids:
            if started_at(pid):
                os.kill(pid, signal_number)
        while any(started_at(pid) for pid in pids) and time.monotonic() < until:
            time.sleep(0.1)


def running(data: Path) -> dict[str, Any]:
    """What `up` started and is still there: name -> pid, start time and address."""
    try:
        noted = json.loads((data / "running.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {name: server for name, server in noted.items() if started_at(server["pid"]) == server["started"]}


def up(data: Path) -> int:
    """Start what is not running yet, all at once: what finds a store away keeps and repeats."""
    data.mkdir(parents=True, exist_ok=True)
    noted = running(data)
    started = []
    for server in all_servers(ports_from_environment(), data):
        if server.name in noted:
            continue
        if answers(server.ready):
            print(f"{server.name}: something else answers at {server.ready}; set another port (tools/stack/servers.py)")
            return 1
        process = start(server, data / "logs")
        started.append((server, process))
        noted[server.name] = {"pid": process.pid, "started": started_at(process.pid), "address": server.ready}
        (data / "running.json").write_text(json.dumps(noted, indent=2), encoding="utf-8")
    for server, process in started:
        try:
            wait_until_ready(server, process, data / "logs")
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{server.name:13} {server.ready}")
    ports = ports_from_environment()
    print(f"\nSend OTLP to http://127.0.0.1:{ports['OTLP_HTTP']}: trax-otel run --endpoint … -- COMMAND")
    print(f"Look at http://127.0.0.1:{ports['GRAFANA']} (admin; password in {data / 'grafana' / 'password'})")
    print(f"Logs are in {data / 'logs'}")
    return 0


def down(data: Path) -> int:
    """End what `up` started, the collector first, so that it can hand on what it has."""
    noted = running(data)
    for name in reversed(noted):
        end([noted[name]["pid"]])
        print(f"{name} ended")
    (data / "running.json").unlink(missing_ok=True)
    return 0


def status(data: Path) -> int:
    """Say what runs; exit status 0 where something does and all of it answers."""
    noted = running(data)
    for name, server in noted.items():
        print(f"{name:13} {'ready' if answers(server['address']) else 'not ready':10} {server['address']}")
    return 0 if noted and all(answers(server["address"]) for server in noted.values()) else 1


if __name__ == "__main__":
    commands = {"up": up, "down": down, "status": status}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    sys.exit(commands[sys.argv[1]](data_folder()))
