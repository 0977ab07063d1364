"""Jobs for celery and rq, and `python jobs.py celery|revoke|rq URL`, which has some done and prints who did each."""

from __future__ import annotations

import logging
import os
import sys
import time

from celery import Celery
from opentelemetry import metrics, trace

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
celery = Celery("jobs", broker=URL, backend=URL)
tracer = trace.get_tracer("jobs")
counter = metrics.get_meter("jobs").create_counter("jobs.done")
ROUNDS = 6


def work() -> int:
    with tracer.start_as_current_span("work"):
        counter.add(1)
        logging.getLogger("jobs").warning("worked")
    return os.getpid()


task = celery.task(work, name="jobs.work")


@celery.task(name="jobs.endless")
def endless() -> None:
    work()
    time.sleep(60)


def _celery(revoke: bool) -> list[int]:
    done = [result.get(timeout=30) for result in [task.delay() for _ in range(ROUNDS)]]
    if revoke:
        from celery.exceptions import TaskRevokedError

        running = endless.delay()
        time.sleep(1.5)
        running.revoke(terminate=True)
        try:
            running.get(timeout=10)
        except TaskRevokedError:
            time.sleep(1.5)  # billiard's worker gives notice, and leaves a second later
    return done


def _rq() -> list[int]:
    from redis import Redis
    from rq import Queue

    queue = Queue(connection=Redis.from_url(URL))
    jobs = [queue.enqueue(work) for _ in range(ROUNDS)]
    end = time.monotonic() + 30
    while not all(job.is_finished for job in jobs) and time.monotonic() < end:
        time.sleep(0.05)
    return [job.return_value() for job in jobs]


if __name__ == "__main__":
    import jobs  # tasks and functions are known by this name, not as __main__

    kind = sys.argv[1]
    print(*(jobs._rq() if kind == "rq" else jobs._celery(kind == "revoke")))
