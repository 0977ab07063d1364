"""A real Prometheus over a history that never happened: its samples as blocks, and the shipped rules evaluated over them."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from .traffic import START, History, openmetrics

ROOT: Final = Path(__file__).parents[2]
RULES: Final = (ROOT / "grafana/rules/recording.yaml", ROOT / "grafana/rules/anomaly.yaml")
WANTED: Final = re.compile(r"trax:anomaly")
LARGEST_BLOCK: Final = "54h"
"""One query of promtool's, which may have 11 000 points: here half a minute apart."""

Rule = dict[str, Any]


def layers(files: Sequence[Path] = RULES, wanted: re.Pattern[str] = WANTED) -> list[list[tuple[str, Rule]]]:
    """The recording rules that what is wanted needs, with their intervals: a layer reads only what those before it made."""
    rules = [
        (str(group.get("interval", "1m")), rule)
        for file in files
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "record" in rule
    ]
    made = {rule["record"] for _, rule in rules}
    reads = {name: set() for name in made}  # type: dict[str, set[str]]
    for _, rule in rules:
        reads[rule["record"]] |= set(re.findall(r"trax:[\w:]+", rule["expr"])) & made
    needed = {name for name in made if wanted.match(name)}
    while more := {read for name in needed for read in reads[name]} - needed:
        needed |= more
    found: list[list[tuple[str, Rule]]] = []
    while needed:
        ready = {name for name in needed if not reads[name] & needed}
        if not ready:
            raise ValueError(f"rules that need each other: {', '.join(sorted(needed))}")
        found.append([(interval, rule) for interval, rule in rules if rule["record"] in ready])
        needed -= ready
    return found


class Backfilled:
    """A Prometheus' folder, filled by promtool, and the server over it."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self._programs = folder, programs
        self._blocks = folder / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prometheus.yaml").write_text("{}\n", encoding="utf-8")

    def _promtool(self, *arguments: str) -> None:
        command = [str(self._programs / "promtool"), "tsdb", "create-blocks-from",
                   f"--max-block-duration={LARGEST_BLOCK}", *arguments]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or "rule importer error" in done.stderr:
            raise RuntimeError(f"promtool {' '.join(arguments)}: {done.stderr[-2000:]}")

    def load(self, histories: Sequence[History]) -> None:
        """What a collector would have sent."""
        for number, history in enumerate(histories):
            samples = self.folder / f"samples-{number}.txt"
            with samples.open("w", encoding="utf-8") as file:
                file.writelines(openmetrics(history))
                file.write("# EOF\n")
            self._promtool("openmetrics", str(samples), str(self._blocks))
            samples.unlink()

    def evaluate(self, days: int) -> None:
        """The rules, layer by layer, since promtool's evaluation sees only what the server held before."""
        for number, layer in enumerate(layers()):
            groups = [{"name": f"{number}-{index}", "interval": interval, "rules": [rule]}
                      for index, (interval, rule) in enumerate(layer)]  # fmt: skip
            file = self.folder / "layer.yaml"
            file.write_text(yaml.safe_dump({"groups": groups}), encoding="utf-8")
            with self.serving():
                self._promtool("rules", f"--url={self.url}", f"--start={START}", f"--end={START + days * 86_400}",
                               f"--output-dir={self._blocks}", str(file))  # fmt: skip

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The server, while the block runs."""
        command = [
            str(self._programs / "prometheus"), f"--config.file={self.folder}/prometheus.yaml",
            f"--storage.tsdb.path={self._blocks}", "--storage.tsdb.retention.time=100y", "--log.level=error",
            f"--web.listen-address={self.url.removeprefix('http://')}", "--query.max-samples=500000000", "--query.timeout=15m",
        ]  # fmt: skip
        with (self.folder / "log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                self._await(process)
                yield
            finally:
                process.terminate()
                process.wait(60)

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise RuntimeError(f"Prometheus did not start: {(self.folder / 'log').read_text(encoding='utf-8')[-2000:]}")

    def series(self, expression: str, first: int, last: int) -> list[tuple[dict[str, str], dict[int, float]]]:
        """The answer to a range query, a minute apart, by minutes since the start."""
        found: dict[str, tuple[dict[str, str], dict[int, float]]] = {}
        for begin in range(first, last, 10_000):
            query = {"query": expression, "start": START + 60 * begin, "step": 60,
                     "end": START + 60 * (min(begin + 10_000, last) - 1)}  # fmt: skip
            with urllib.request.urlopen(
                f"{self.url}/api/v1/query_range?{urllib.parse.urlencode(query)}", timeout=900
            ) as answer:
                result = json.load(answer)["data"]["result"]
            for one in result:
                _, values = found.setdefault(json.dumps(one["metric"], sort_keys=True), (one["metric"], {}))
                values.update(((int(at) - START) // 60, float(value)) for at, value in one["values"])
        return list(found.values())


@contextmanager
def judged(histories: Sequence[History], programs: Path) -> Iterator[Backfilled]:
    """A running Prometheus with the histories and what the rules made of them."""
    if not (programs / "promtool").exists():
        raise FileNotFoundError(f"{programs}/promtool is not there: `make stack` builds the servers")
    folder = Path(tempfile.mkdtemp(prefix="trax-anomalies-"))
    try:
        prometheus = Backfilled(folder, programs)
        prometheus.load(histories)
        prometheus.evaluate(max(history.days for history in histories))
        with prometheus.serving():
            yield prometheus
    finally:
        shutil.rmtree(folder, ignore_errors=True)
