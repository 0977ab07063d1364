"""A service with every kind of trouble, run under `trax-otel run` with gunicorn: one address a fault."""

from __future__ import annotations

import itertools

from flask import Flask, Response, jsonify

from trax_otel.errors import NetworkError, ProcessingError
from trax_otel.logging import SecurityEvent, get_logger, log_security_event
from trax_otel.recovery import FallbackManager, fallback_context, fallback_point
from trax_otel.retry import CircuitBreaker, CircuitOpenError, retry

app = Flask(__name__)
logger = get_logger(__name__)
calls = itertools.count()
provider = CircuitBreaker(failure_threshold=3, timeout=600.0, name="provider")
fallbacks = FallbackManager()
fallbacks.add_fallback(lambda: "yesterday's rate", name="last known")


@app.get("/fine")
def fine() -> Response:
    """Nothing happens."""
    return jsonify("fine")


@retry(max_retries=3, initial_delay=0.05)
def flaky() -> str:
    """Answers at every third call."""
    if next(calls) % 3 != 2:
        raise NetworkError("the line is noisy")
    return "through"


@app.get("/retried")
def retried() -> Response:
    """Two attempts fail, the third answers."""
    logger.warning("about to call a flaky peer")
    return jsonify(flaky())


@app.get("/failing")
def failing() -> Response:
    """Nobody handles it."""
    raise ProcessingError("no such frame")


@provider
def call_provider() -> str:
    """Is down for good."""
    raise NetworkError("the provider is away")


@app.get("/broken")
def broken() -> tuple[Response, int]:
    """Fails until the breaker opens, and is rejected from then on."""
    try:
        return jsonify(call_provider()), 200
    except CircuitOpenError as error:
        return jsonify(error.error_code), 503
    except NetworkError as error:
        return jsonify(error.error_code), 502


@fallback_point
def rate() -> str:
    """Cannot be had today."""
    raise NetworkError("the rates are away")


@app.get("/recovered")
def recovered() -> Response:
    """An alternative answers."""
    with fallback_context(fallbacks):
        return jsonify(rate())


@app.get("/login")
def login() -> tuple[Response, int]:
    """A refused login."""
    log_security_event(SecurityEvent.AUTHENTICATION, "failure", actor="ada", source="192.0.2.7")
    return jsonify("refused"), 401
