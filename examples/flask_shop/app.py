"""A small shop under Flask. From this folder:

    trax-otel run --local --service-name shop -- gunicorn -w 2 app:app
    curl -X POST localhost:8000/orders -H 'X-Correlation-ID: req-1' -H 'Content-Type: application/json' \
         -d '{"customer": "ada", "items": 3}'
    curl localhost:8000/report          # a defect: nobody handles it
"""

from __future__ import annotations

import os
import time

import requests
from flask import Flask, Response, jsonify, request

from trax_otel.errors import APIError, InvalidInputError, TraxError, create_api_error
from trax_otel.logging import bind, get_logger, timing_context
from trax_otel.metrics import create_counter

PROVIDER = os.environ.get("PAYMENT_PROVIDER", "http://127.0.0.1:9")  # nothing listens there: payments fail

app = Flask(__name__)
logger = get_logger(__name__)
orders = create_counter("shop.orders", unit="{order}", description="Orders by how they ended.", labels=["outcome"])


@app.post("/orders")
def order() -> Response:
    """Take an order: validated, priced and charged."""
    body = request.get_json()
    with bind(customer=body.get("customer", "unknown")):
        price = price_of(body)
        charge(price)
        orders.add(1, outcome="paid")
        logger.info("order paid", extra={"price": price})
        return jsonify(price=price)


def price_of(body: dict[str, object]) -> int:
    """Three a piece; takes a moment, so it is timed."""
    with timing_context("price"):
        items = body.get("items")
        if not isinstance(items, int) or items < 1:
            raise InvalidInputError("items must be a whole number from 1", context={"items": items})
        time.sleep(0.01)
        return 3 * items


def charge(price: int) -> None:
    """Ask the payment provider."""
    with timing_context("charge"):
        try:
            requests.post(f"{PROVIDER}/charges", json={"amount": price}, timeout=2).raise_for_status()
        except requests.RequestException as error:
            raise create_api_error("the payment provider did not take the charge", original_error=error) from error


@app.errorhandler(TraxError)
def failed(error: TraxError) -> tuple[Response, int]:
    """Whoever calls gets the code; the log has the rest."""
    orders.add(1, outcome="failed")
    logger.error("order failed: %s", error, exc_info=error)
    status = 422 if isinstance(error, InvalidInputError) else 502 if isinstance(error, APIError) else 500
    return jsonify(error=error.error_code, message=str(error), retryable=error.retryable), status


@app.get("/report")
def report() -> Response:
    """Has a defect, as every service has."""
    sold: dict[str, int] = {}
    return jsonify(average=sum(sold.values()) / len(sold))
