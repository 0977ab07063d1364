"""The dashboards, one module each; add a new one to the list."""

from __future__ import annotations

from . import overview

ALL = {
    "trax-overview": overview.overview,
}
"""The function that makes each dashboard, by the dashboard's uid, which is its file's name."""
