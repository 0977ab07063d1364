# Job libraries, each hooked when it is imported. A job is a CONSUMER span `process TASK` in the trace of the PRODUCER span
# `enqueue TASK` that queued it; apscheduler's, which nobody queues, are INTERNAL spans.
#
#   messages    the two spans, and what travels with a job from one to the other
#   wrapping    a library's functions with an observer around them
#   rq, huey, dramatiq, arq, apscheduler   where each library queues and runs, and where a job has room for what travels
#   celery      what OpenTelemetry's own instrumentation of it leaves behind
"""rq, huey, dramatiq, arq and apscheduler, beside celery."""

from .adopted import adopt_job_libraries

__all__ = ["adopt_job_libraries"]
