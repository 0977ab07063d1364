"""Each job that a library runs is one span in the trace of who queued it; failures and further attempts are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.programs import PYTHON, Ended, end_of, under_run
from support.services import Delivered, until
from trax_otel import semconv
from trax_otel.local.model import Span
from trax_otel.local.server import Endpoint

pytestmark = pytest.mark.services

TASKS = {
    "rq": """
from rq import Queue, Retry
from redis import Redis
import sys
queue = Queue("mail", connection=Redis.from_url(sys.argv[1]))

def ok(a): print("ran", a)
def bad(a): raise ValueError(f"bad {a}")

def enqueue():
    queue.enqueue("tasks.ok", 1)
    queue.enqueue("tasks.bad", 2, retry=Retry(max=1))
    queue.enqueue_many([Queue.prepare_data("tasks.ok", (3,))])

def work(kind="SimpleWorker"):
    import rq
    getattr(rq, kind)([queue], connection=queue.connection).work(burst=True)
""",
    "huey": """
import sys, time
from huey import RedisHuey, crontab
from huey.serializer import SignedSerializer
huey = RedisHuey("mail", url=sys.argv[1], serializer=SignedSerializer(secret="s", compression=True))

@huey.task()
def ok(a): print("ran", a)

@huey.task(retries=1)
def bad(a): raise ValueError(f"bad {a}")

def enqueue():
    ok(1)
    bad(2)
    ok.schedule((3,), delay=0.1)

def work():
    from threading import Timer
    consumer = huey.create_consumer(workers=2, initial_delay=0.01, max_delay=0.05, scheduler_interval=1)
    consumer.start()
    until_empty(lambda: not huey.pending_count() and not huey.scheduled_count())
    consumer.stop(graceful=True)

def until_empty(empty):
    end = time.monotonic() + 20
    calm = 0
    while calm < 5 and time.monotonic() < end:
        calm = calm + 1 if empty() else 0
        time.sleep(0.1)
""",
    "dramatiq": """
import sys, dramatiq
from dramatiq.brokers.redis import RedisBroker
broker = RedisBroker(url=sys.argv[1])
dramatiq.set_broker(broker)

@dramatiq.actor(queue_name="mail")
def ok(a): print("ran", a)

@dramatiq.actor(queue_name="mail", max_retries=1, min_backoff=10, max_backoff=20)
def bad(a): raise ValueError(f"bad {a}")

def enqueue():
    ok.send(1)
    bad.send(2)
    ok.send_with_options(args=(3,), delay=50)

def work():
    worker = dramatiq.Worker(broker, worker_timeout=100)
    worker.start()
    for _ in range(3):
        broker.join("mail", timeout=20_000)
        worker.join()
    worker.stop()
""",
    "arq": """
import sys, asyncio
from arq import create_pool, Retry
from arq.connections import RedisSettings
from arq.worker import Worker, func
settings = RedisSettings.from_dsn(sys.argv[1])

async def ok(ctx, a): print("ran", a)
async def bad(ctx, a):
    if ctx["job_try"] == 1: raise Retry(defer=0.01)
    raise ValueError(f"bad {a}")
async def slow(ctx): await asyncio.sleep(30)

async def queue():
    pool = await create_pool(settings, default_queue_name="mail")
    await pool.enqueue_job("ok", 1)
    await pool.enqueue_job("bad", 2)
    await pool.enqueue_job("ok", 3, _defer_by=0.05)
    await pool.enqueue_job("slow")
    await pool.aclose()

def enqueue(): asyncio.run(queue())

def work():
    asyncio.set_event_loop(asyncio.new_event_loop())
    worker = Worker([ok, bad, func(slow, timeout=0.3)], redis_settings=settings, queue_name="mail", burst=True,
                    poll_delay=0.05, handle_signals=False)
    worker.run()
""",
}
PRODUCER = """
import tasks
from opentelemetry import trace
from trax_otel.logging import correlation_context
with correlation_context("order-7"), trace.get_tracer("shop").start_as_current_span("checkout"):
    tasks.enqueue()
"""
FORKING = """
import tasks
tasks.work("Worker")
"""
WORKER = "import tasks; tasks.work()"


@pytest.mark.parametrize("library", TASKS)
def test_jobs_run_in_the_trace_of_who_queued_them(
    library: str, endpoint: Endpoint, delivered: Delivered, redis: str, tmp_path: Path
) -> None:
    assert "Traceback" not in run(library, PRODUCER, endpoint, delivered, redis, tmp_path).err
    worked = run(library, WORKER, endpoint, delivered, redis, tmp_path)
    assert worked.status == 0
    assert "trax_otel" not in worked.err  # no traceback has a frame of ours
    runs = 5 if library == "arq" else 4
    processed = until(lambda: enough(jobs(delivered, "process"), runs), "the runs of each job")
    (checkout,) = [span for span in delivered.traced() if span.name == "checkout"]
    queued = jobs(delivered, "enqueue")
    assert {span.kind for span in queued} == {"producer"}
    assert {span.parent_id for span in queued} == {checkout.span_id}
    assert {span.trace_id for span in [*queued, *processed]} == {checkout.trace_id}
    by_id = {span.span_id: span for span in queued}
    for span in processed:
        assert by_id[span.parent_id or ""].name.removeprefix("enqueue ") == span.name.removeprefix("process ")
        assert span.kind == "consumer"
        assert span.attributes[semconv.MESSAGING_SYSTEM] == library
        assert span.attributes[semconv.MESSAGING_DESTINATION_NAME] == "mail"
        assert span.attributes[semconv.MESSAGING_MESSAGE_ID]
    bad = [span for span in processed if task(span) == "bad"]
    assert [span.attributes[semconv.RETRY_ATTEMPT] for span in bad] == [1, 2]
    assert bad[-1].status == "error"
    assert bad[-1].attributes[semconv.ERROR_CODE]
    assert [event.attributes[semconv.EXCEPTION_MESSAGE] for event in exceptions(bad[-1])] == ["bad 2"]
    good = [span for span in processed if task(span) == "ok"]
    assert [span.status for span in good] == ["unset", "unset"]
    assert {span.attributes[semconv.CORRELATION_ID] for span in processed} == {"order-7"}
    told = until(lambda: [log for log in delivered.logs() if "bad 2" in log.body + str(log.attributes)], "its record")
    assert {log.trace_id for log in told} == {checkout.trace_id}
    slow = [(span.status, span.attributes[semconv.ERROR_TYPE]) for span in processed if task(span) == "slow"]
    assert slow == ([("error", "TimeoutError")] if library == "arq" else [])
    names = {metric.name for metric in delivered.queries.metrics()}
    assert {"messaging.process.duration", "messaging.client.operation.duration"} <= names


def test_a_job_in_a_forked_work_horse_is_delivered(
    endpoint: Endpoint, delivered: Delivered, redis: str, tmp_path: Path
) -> None:
    for part in (PRODUCER, FORKING):
        run("rq", part, endpoint, delivered, redis, tmp_path)
    processed = until(lambda: enough(jobs(delivered, "process"), 4), "the runs of each job", 30)
    assert sorted(span.attributes[semconv.RETRY_ATTEMPT] for span in processed if task(span) == "bad") == [1, 2]
    assert len({span.resource["process.pid"] for span in processed}) == 4  # a work horse each
    assert len({span.trace_id for span in [*processed, *jobs(delivered, "enqueue")]}) == 1


STEERED = {
    "rq": """
import sys
from rq import Queue
from redis import Redis
queue = Queue("now", connection=Redis.from_url(sys.argv[1]), is_async=False)

def fine(): print("fine")

if __name__ == "__main__":
    import steered
    queue.enqueue(steered.fine)
""",
    "huey": """
from huey import MemoryHuey, CancelExecution, RetryTask
huey = MemoryHuey("now", immediate=True)
tries = []

@huey.task()
def fine(): print("fine")

@huey.task()
def again():
    tries.append(1)
    if len(tries) == 1: raise RetryTask()

@huey.task()
def cancelled(): raise CancelExecution(retry=False)

if __name__ == "__main__":
    fine(); again(); cancelled()
""",
    "dramatiq": """
import asyncio, dramatiq
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AsyncIO
broker = StubBroker()
broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)
tries = []

@dramatiq.actor(queue_name="now")
async def fine():
    await asyncio.sleep(0)
    print("fine")

@dramatiq.actor(queue_name="now", min_backoff=10)
def again():
    tries.append(1)
    if len(tries) == 1: raise dramatiq.errors.Retry("later", delay=10)

@dramatiq.actor(queue_name="now", max_retries=0, time_limit=300)
def endless():
    while True: sum(range(1000))

if __name__ == "__main__":
    broker.emit_after("process_boot")  # starts the watch over time limits, as dramatiq's own command does
    worker = dramatiq.Worker(broker, worker_timeout=50)
    for actor in (fine, again, endless): actor.send()
    worker.start()
    for _ in range(3):
        broker.join("now", fail_fast=False)
        worker.join()
    worker.stop()
""",
}
STEERED_RUNS = {
    "rq": [("fine", 1, "unset")],
    "huey": [("again", 1, "unset"), ("again", 2, "unset"), ("cancelled", 1, "unset"), ("fine", 1, "unset")],
    "dramatiq": [("again", 1, "unset"), ("again", 2, "unset"), ("endless", 1, "error"), ("fine", 1, "unset")],
}


@pytest.mark.parametrize("library", STEERED)
def test_what_only_steers_a_job_is_no_failure_and_a_time_limit_is_one(
    library: str, endpoint: Endpoint, delivered: Delivered, redis: str, tmp_path: Path
) -> None:
    (tmp_path / "steered.py").write_text(STEERED[library])
    ended = end_of(under_run(endpoint.url, delivered.service, [PYTHON, "steered.py", redis]), tmp_path)
    assert (ended.status, ended.out.strip()) == (0, "fine"), ended.err
    expected = STEERED_RUNS[library]
    until(lambda: enough(jobs(delivered, "process"), len(expected)), "the runs of each job")
    runs = [(task(span), span.attributes[semconv.RETRY_ATTEMPT], span.status) for span in jobs(delivered, "process")]
    assert sorted(runs) == expected
    parents = {span.span_id for span in jobs(delivered, "enqueue")}
    assert {span.parent_id for span in jobs(delivered, "process")} <= parents


CELERY = """
import sys
from celery import Celery
from celery.contrib.testing.worker import start_worker
from trax_otel.logging import correlation_context
app = Celery("app", broker=sys.argv[1], backend=sys.argv[1])

@app.task
def add(a, b): return a + b

with start_worker(app, pool="solo", perform_ping_check=False):
    with correlation_context("order-7"):
        result = add.delay(1, 2)
    print(result.get(timeout=20))
"""


def test_celerys_spans_keep_their_names_and_get_the_correlation_id(
    endpoint: Endpoint, delivered: Delivered, redis: str, tmp_path: Path
) -> None:
    ended = end_of(under_run(endpoint.url, delivered.service, [PYTHON, "-c", CELERY, redis]), tmp_path)
    assert (ended.status, ended.out.strip()) == (0, "3"), ended.err
    until(lambda: named(delivered.traced(), "run/app.add"), "the task's span")
    spans = delivered.traced()
    (queued,), (ran,) = named(spans, "apply_async/app.add"), named(spans, "run/app.add")
    assert ran.parent_id == queued.span_id
    assert {queued.attributes[semconv.CORRELATION_ID], ran.attributes[semconv.CORRELATION_ID]} == {"order-7"}


def test_workers_without_us_run_jobs_queued_under_us(
    endpoint: Endpoint, delivered: Delivered, redis: str, tmp_path: Path
) -> None:
    for library in TASKS:
        run(library, PRODUCER, endpoint, delivered, redis, tmp_path)
        worked = end_of([PYTHON, "-c", WORKER, redis], tmp_path)
        ran = sorted(line for line in worked.out.splitlines() if line.startswith("ran"))
        assert (worked.status, ran) == (0, ["ran 1", "ran 3"]), library


SCHEDULER = """
import asyncio, os, time
from opentelemetry import trace
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor

def tick(): trace.get_tracer("t").start_span("inside").end()
def fail(): raise ValueError("failed run")
async def atick(): await asyncio.sleep(0)

def until_done():
    end = time.monotonic() + 30
    while not os.path.exists("done") and time.monotonic() < end:
        time.sleep(0.1)

def elsewhere(): open("done", "w").close()

def main():
    tracer = trace.get_tracer("shop")
    scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(2), "processes": ProcessPoolExecutor(1)})
    with tracer.start_as_current_span("starting"):
        scheduler.start()
        scheduler.add_job(tick, "interval", seconds=0.2, name="repeated")
    with tracer.start_as_current_span("request"):
        scheduler.add_job(fail, name="once")
        scheduler.add_job(elsewhere, name="elsewhere", executor="processes", misfire_grace_time=30)
    until_done()
    scheduler.shutdown()

    async def run():
        scheduler = AsyncIOScheduler()
        scheduler.start()
        scheduler.add_job(atick, name="coroutine")
        await asyncio.sleep(0.3)
        scheduler.shutdown()
    asyncio.run(run())

if __name__ == "__main__":
    main()
"""


def test_scheduled_jobs_are_operations_that_tell_who_added_them(
    endpoint: Endpoint, delivered: Delivered, tmp_path: Path
) -> None:
    script = tmp_path / "scheduler.py"
    script.write_text(SCHEDULER)
    ended = end_of(under_run(endpoint.url, delivered.service, [PYTHON, str(script)]), tmp_path)
    assert ended.status == 0, ended.err
    assert "trax_otel" not in ended.err
    wanted = {"repeated", "once", "elsewhere", "coroutine"}
    until(lambda: wanted <= {span.name for span in delivered.traced()}, "each job's span")
    spans = delivered.traced()
    (starting,), (request,) = named(spans, "starting"), named(spans, "request")
    for span in named(spans, "repeated"):
        assert (span.kind, span.parent_id) == ("internal", None)
        assert [link.span_id for link in span.links] == [starting.span_id]
        assert [child for child in named(spans, "inside") if child.parent_id == span.span_id]
    (once,) = named(spans, "once")
    assert (once.trace_id, once.parent_id, once.status) == (request.trace_id, request.span_id, "error")
    assert [event.attributes[semconv.EXCEPTION_MESSAGE] for event in exceptions(once)] == ["failed run"]
    assert "failed run" in next(
        log.body + str(log.attributes) for log in delivered.logs() if log.trace_id == once.trace_id
    )
    (elsewhere,) = named(spans, "elsewhere")
    assert elsewhere.trace_id == request.trace_id
    assert elsewhere.resource["process.pid"] != request.resource["process.pid"]


def run(library: str, code: str, endpoint: Endpoint, delivered: Delivered, redis: str, folder: Path) -> Ended:
    (folder / "tasks.py").write_text(TASKS[library])
    return end_of(under_run(endpoint.url, delivered.service, [PYTHON, "-c", code, redis]), folder)


def jobs(delivered: Delivered, operation: str) -> list[Span]:
    return [span for span in delivered.traced() if span.attributes.get(semconv.MESSAGING_OPERATION_NAME) == operation]


def enough(found: list[Any], count: int) -> list[Any]:
    return found if len(found) >= count else []


def named(spans: list[Span], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


def task(span: Span) -> str:
    return str(span.attributes[semconv.OPERATION_NAME]).rpartition(".")[2]


def exceptions(span: Span) -> list[Any]:
    return [event for event in span.events if event.name == semconv.EXCEPTION_EVENT]
