# Every telemetry name that trax_otel emits, once.
#
#   attributes  attributes, events and span names
#   metrics     one spec for each metric
#   standard    what instrumentations set and is read here, by its stable and its older names
"""The names of all telemetry.

`trax.*` names only what has no standard. `docs/telemetry.md` is generated from here, and a test refuses a `"trax.` literal
anywhere else in the package. Durations are seconds, sizes bytes, units UCUM, and every metric attribute has a bounded set of
values.
"""

from .attributes import *  # noqa: F403 — a list of a hundred names would be a second table to keep
from .metrics import *  # noqa: F403
