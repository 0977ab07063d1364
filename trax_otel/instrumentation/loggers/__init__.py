# Log libraries with printers of their own: their lines arrive as log records, and what they print stays as it is.
#
#   loguru, structlog   what each one says of a line, and when it lets one pass
#   lines               such a line as a record, and how the same line is told once where several libraries pass it on
"""loguru and structlog."""

from .adopted import adopt_log_libraries

__all__ = ["adopt_log_libraries"]
