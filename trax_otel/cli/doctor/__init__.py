# `trax-otel doctor`: the way from this process to the store, one step after the other.
#
#   command      the options, the order of the checks, the exit status
#   finding      what a check says; secrets that no text may show
#   report       findings for people, and as JSON
#   settings     values of the environment, as the SDK's room reads them
#   contradictions  variables that undo or hide each other
#   declared     what OTEL_CONFIG_FILE sends where, in terms of the variables
#   targets      where each signal goes
#   bounded      calls that cannot take longer than they may
#   wire         sockets and requests with the exporter's own settings
#   reach        name, connection, TLS
#   receiver     whether what answers there takes OTLP, in this protocol, with these credentials
#   wrong        what answers there instead
#   items        the test span, log record and data point
#   stores       stores: told apart by their API, and asked for what was sent
#   versions     packages that do not fit, and conflicts that are known
"""The way from this process to the store, checked."""

from .command import add_parser, run

__all__ = ["add_parser", "run"]
