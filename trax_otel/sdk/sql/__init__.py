# SQL for telemetry.
#
#   tokens      the text in pieces, values and comments taken out
#   subject     operation and table
#   statement   both together, remembered
"""SQL without literals, and named by what it does to which table."""

from .statement import MAX_LENGTH, NOT_SQL, Statement, described

__all__ = ["MAX_LENGTH", "NOT_SQL", "Statement", "described"]
