"""Children of billiard and multiprocessing, one that ends by `os._exit`, and an exec at the end."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys

import billiard
from opentelemetry import metrics, trace

tracer = trace.get_tracer("children")
counter = metrics.get_meter("children").create_counter("children.done")


def work(number: int) -> int:
    with tracer.start_as_current_span("work"):
        counter.add(1)
        logging.getLogger("children").warning("worked")
    return number


if __name__ == "__main__":
    for library in (billiard, multiprocessing):
        library.set_start_method("fork", force=True)
        child = library.Process(target=work, args=(1,))
        child.start()
        child.join()
        with library.Pool(2) as pool:
            print(sum(pool.map(work, range(6))), child.exitcode)
            pool.close()
            pool.join()
    if os.fork() == 0:
        work(0)
        os._exit(3)
    print(os.wait()[1] >> 8, flush=True)
    work(0)
    os.execv("/bin/sh", ["sh", "-c", "echo $0; exit 7", sys.argv[1]])
