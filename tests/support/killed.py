"""Workers and rival recoverers that are killed by SIGKILL at random points: `python -m support.killed URL FOLDER KILLS SEED`.

One process imports everything once and forks the others. Each operation has a journal, one line an event, appended before
or after what it tells of, so that it stands whatever the database says. The columns are token, event, step, value.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import get_current_span

from trax_otel import signals
from trax_otel.recovery.state import (  # noqa: F401  (imported before the forks)
    OperationState,
    SQLStorage,
    StateRecoveryManager,
    engines,
    operation_state_context,
    statements,
)

LEASE_SECONDS = 0.5
STEPS = 5
RIVALS = 4
WORKERS = 4
START_SECONDS = 0.2
LIFE_SECONDS = 0.06
END_SECONDS = 40.0
TYPE = "killed"


def journal(folder: Path, operation_id: str, *columns: object) -> None:
    """Append one line at once."""
    line = " ".join(str(column) for column in columns) + "\n"
    descriptor = os.open(folder / operation_id, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def body(folder: Path, state: OperationState, chance: random.Random) -> int:
    """What the operation does, the first time and on every recovery."""
    span = get_current_span()
    assert isinstance(span, ReadableSpan)
    links = ",".join(format(link.context.span_id, "016x") for link in span.links)
    journal(
        folder, state.operation_id, state.fencing_token, "entered", format(span.context.span_id, "016x"), links or "-"
    )

    def work(number: int) -> str:
        journal(folder, state.operation_id, state.fencing_token, "runs", number, "-")
        time.sleep(chance.uniform(0, 0.01))
        return os.urandom(4).hex()

    for number in range(STEPS):
        value = state.step(f"step {number}", work, number)
        journal(folder, state.operation_id, state.fencing_token, "has", number, value)
    return STEPS


def manager(url: str) -> StateRecoveryManager:
    """A manager whose operations may be interrupted any number of times."""
    signals.use_providers(tracer_provider=TracerProvider(shutdown_on_exit=False))
    storage = SQLStorage(url, synchronous="NORMAL", pool_size=2)
    return StateRecoveryManager(storage, lease_seconds=LEASE_SECONDS, max_recoveries=10_000)


def work(url: str, folder: Path, operation_id: str, seed: int) -> None:
    """Run one operation."""
    with operation_state_context(manager(url), operation_id, None, TYPE) as state:
        state.set_result(body(folder, state, random.Random(seed)))


def recover(url: str, folder: Path, seed: int) -> None:
    """Recover until told to stop and nothing is left."""
    found = manager(url)
    chance = random.Random(seed)
    found.register_recovery(TYPE, lambda state: body(folder, state, chance))
    while True:
        ending = (folder / "end").exists()
        found.sync.recover_all()
        if ending and not found.sync.list_operations("running"):
            return
        time.sleep(0.02)


class Nursery:
    """The processes, and when each is to be killed."""

    def __init__(self, url: str, folder: Path, seed: int) -> None:
        self.url, self.folder = url, folder
        self.chance = random.Random(seed)
        self.killed = self.begun = 0
        self.names: dict[int, str] = {}
        self.workers: dict[int, float] = {}
        self.rivals: dict[int, float] = {}

    def fork(self, function: Callable[..., None], *arguments: object) -> int:
        child = os.fork()
        if child:
            return child
        status = 1
        try:
            function(self.url, self.folder, *arguments, self.chance.getrandbits(30) + os.getpid())
            status = 0
        finally:
            if status:
                sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
                (self.folder / f"failed-{os.getpid()}").touch()
            os._exit(status)

    def fill(self, now: float) -> None:
        while len(self.workers) < WORKERS:
            self.begun += 1
            child = self.fork(work, f"op-{self.begun}")
            early = self.chance.random() < 0.1  # while it starts, perhaps before anything is saved
            self.workers[child] = now + self.chance.uniform(0, START_SECONDS) if early else float("inf")
            self.names[child] = f"op-{self.begun}"
        while len(self.rivals) < RIVALS:
            self.rivals[self.fork(recover)] = now + self.chance.uniform(0.3, 3.0)

    def mark(self, now: float) -> None:
        """Say when the workers that have just entered their operation are to be killed."""
        for child, due in self.workers.items():
            if due == float("inf") and (self.folder / self.names[child]).exists():
                self.workers[child] = now + self.chance.uniform(0, LIFE_SECONDS)

    def reap(self, now: float) -> None:
        for living in (self.workers, self.rivals):
            for child, due in list(living.items()):
                if os.waitpid(child, os.WNOHANG)[0]:
                    del living[child]
                elif due <= now:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                    del living[child]
                    self.killed += 1


def main() -> None:
    url, folder, kills, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    nursery = Nursery(url, folder, seed)
    while nursery.killed < kills:
        nursery.fill(time.monotonic())
        nursery.mark(time.monotonic())
        nursery.reap(time.monotonic())
        time.sleep(0.001)
    (folder / "end").touch()
    nursery.workers = dict.fromkeys(nursery.workers, float("inf"))
    nursery.rivals = dict.fromkeys(nursery.rivals, float("inf"))
    while len(nursery.rivals) < RIVALS:
        nursery.rivals[nursery.fork(recover)] = float("inf")
    end = time.monotonic() + END_SECONDS
    while (nursery.workers or nursery.rivals) and time.monotonic() < end:
        nursery.reap(time.monotonic())
        time.sleep(0.01)
    for child in [*nursery.workers, *nursery.rivals]:
        os.kill(child, signal.SIGKILL)
    print(nursery.killed, nursery.begun, len(nursery.workers) + len(nursery.rivals))


if __name__ == "__main__":
    main()
