"""A command-line tool that sets itself up: log files in ./logs, one span a file, an exit status that scripts can use.

python thumbnails.py --width 64 *.pgm
TRAX_LOG_LEVEL=DEBUG OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 python thumbnails.py --width 64 *.pgm
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import trax_otel
from trax_otel.errors import CorruptedFileError, TraxError, classify_error, error_handler
from trax_otel.logging import correlation_context, get_logger, initialize_logging, timing_context

logger = get_logger(__name__)


def shrink(source: Path, width: int) -> Path:
    """Write a smaller copy of a binary PGM picture beside it. Raises CorruptedFileError for anything else."""
    content = source.read_bytes()
    parts = content.split(maxsplit=4)
    if len(parts) < 5 or parts[0] != b"P5":
        raise CorruptedFileError(f"{source} is no binary PGM picture", context={"file": str(source)})
    columns, rows = int(parts[1]), int(parts[2])
    pixels = content[-columns * rows :]
    step = max(1, columns // width)
    small = [pixels[row * columns : (row + 1) * columns : step] for row in range(0, rows, step)]
    target = source.with_suffix(".small.pgm")
    target.write_bytes(b"P5 %d %d 255\n" % (len(small[0]), len(small)) + b"".join(small))
    return target


@error_handler
def main(arguments: list[str]) -> int:
    """Shrink every file; one that fails does not keep the others from being done."""
    parser = argparse.ArgumentParser(description="Make thumbnails of PGM pictures.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--width", type=int, default=64)
    options = parser.parse_args(arguments)
    initialize_logging()
    logger.info("CLI operation started", extra={"files": len(options.files)})
    failed = 0
    for file in options.files:
        with correlation_context(file.name):
            try:
                with timing_context("thumbnail") as timer:
                    target = shrink(file, options.width)
                logger.info("done", extra={"target": str(target), "duration_ms": timer.duration_ms})
            except (TraxError, OSError, ValueError) as error:
                failed += 1
                logger.error("failed: %s", error, extra={"error_code": classify_error(error).error_code})
    logger.info("CLI operation completed", extra={"failed": failed})
    return 1 if failed else 0


if __name__ == "__main__":
    trax_otel.configure(service_name="thumbnails")
    sys.exit(main(sys.argv[1:]))
