# Strategies: ways to recover that a manager tries in order.
#
#   simple    a function as a strategy
"""Ways to recover."""

from .simple import CallableStrategy

__all__ = ["CallableStrategy"]
