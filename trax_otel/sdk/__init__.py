# The OpenTelemetry SDK, set up for service: the only room that imports it and the exporters.
#
#   configuration   configure: arguments and environment into running telemetry
#   telemetry       what configure returns: flush, shutdown; its part in forks and at the process's end
#   pipelines       one signal from provider to exporter
#   environment     the OTEL_* variables of export; samplers, temporality, propagators: those chosen by name
#   install         OpenTelemetry's globals, where ours give way to the application's
#   fork            what a forked child must have anew
#   resource        who reports: service, process, host, container
#   batch, reader   queues for spans and log records; the periodic collection of metrics
#   delivery        cleaned, encoded, sent, tried again, split, counted
#   encode, transport, grpc_transport, foreign, tally    the parts of delivery
#   exporters       delivery as SDK exporter classes, for set-ups that are not ours
#   exceptions      every recorded exception is classified; no span ends without its outcome
#   correlate       correlation on every span
#   memory          the same pieces for tests: telemetry kept in memory
"""Providers, export, resource and shutdown."""

from . import guarded  # noqa: F401  # first: the SDK is imported there without the values that its own import fails on
from .configuration import configure, configure_from_environment, current
from .exceptions import classify_recorded_exceptions
from .memory import CapturedProviders, LogMemory, SequentialIds, SpanMemory, capture_providers
from .telemetry import Telemetry

__all__ = [
    "CapturedProviders",
    "LogMemory",
    "SequentialIds",
    "SpanMemory",
    "Telemetry",
    "capture_providers",
    "classify_recorded_exceptions",
    "configure",
    "configure_from_environment",
    "current",
]
