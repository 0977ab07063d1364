# Job libraries, each hooked when it is imported. A job is a CONSUMER span `process TASK` in the trace of the PRODUCER span
# `enqueue TASK` that queued it; apscheduler's, which nobody queues, are INTERNAL spans.
#
#   messages    the two spans, and what travels with a job from one to the other
#   rq, huey, dramatiq, arq, apscheduler   where each library queues and runs, and where a job has room for what travels
"""rq, huey, dramatiq, arq and apscheduler."""

from .adopted import adopt_job_libraries

__all__ = ["adopt_job_libraries"]
