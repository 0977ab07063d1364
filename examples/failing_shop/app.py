"""A small shop under Flask in which ten things go wrong; docs/views.md finds the cause of each. From this folder:

    trax-otel local &
    trax-otel run --local --service-name shop -- python app.py --port 8000 &
    python visit.py http://127.0.0.1:8000

Its bank and its rates are served by the shop itself, under /bank and /rates, so that nothing else has to run.
"""

from __future__ import annotations

import argparse
import queue
import sqlite3
import threading
import time
from typing import Any

import requests
from flask import Flask, Response, g, jsonify, request

from trax_otel.errors import InvalidInputError, TraxError
from trax_otel.logging import get_logger, log_security_event
from trax_otel.retry import retry

NOBODY = "http://127.0.0.1:9"  # nothing listens there

app = Flask(__name__)
mails: queue.Queue[str] = queue.Queue()
logger = get_logger("shop")


def database() -> sqlite3.Connection:
    """This request's connection, to a database in memory."""
    if "database" not in g:
        g.database = sqlite3.connect(":memory:")
        g.database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, number TEXT UNIQUE, price INTEGER)")
        g.database.executemany("INSERT INTO orders VALUES (?, ?, ?)", [(n, f"N{n}", 3 * n) for n in range(1, 41)])
    connection: sqlite3.Connection = g.database
    return connection


def itself(path: str) -> str:
    """Where this service is reached."""
    return request.host_url.rstrip("/") + path


@app.get("/history")
def history() -> Response:
    """1. A table is missing."""
    return jsonify(database().execute("SELECT id FROM archive").fetchall())


@app.get("/report")
def report() -> Response:
    """2. A defect: a key that is not there."""
    totals: dict[str, int] = {"orders": 40}
    return jsonify(totals["revenue"])


@app.post("/pay")
def pay() -> Response:
    """3. The bank is away; the call is retried in vain."""
    charge()
    return jsonify(paid=True)


@retry(max_retries=2, initial_delay=0.02)
def charge() -> None:
    """Ask the bank."""
    requests.post(f"{NOBODY}/charges", json={"amount": 3}, timeout=1)


@app.get("/convert")
def convert() -> Response:
    """4. The service that is asked answers 503."""
    answer = requests.get(itself("/rates"), params={"to": "EUR"}, timeout=2)
    answer.raise_for_status()
    return jsonify(answer.json())


@app.get("/rates")
def rates() -> tuple[Response, int]:
    """What /convert asks."""
    logger.warning("the rates are being reloaded")
    return jsonify(error="reloading"), 503


@app.get("/balance")
def balance() -> Response:
    """5. The bank answers too late."""
    return jsonify(requests.get(itself("/bank"), timeout=0.2).json())


@app.get("/bank")
def bank() -> Response:
    """What /balance asks."""
    time.sleep(0.6)
    return jsonify(balance=5)


@app.post("/orders")
def order() -> Response:
    """6. An order without a number of items; 7. one whose number exists."""
    body: dict[str, Any] = request.get_json()
    if not isinstance(body.get("items"), int):
        raise InvalidInputError("items must be a whole number", context={"items": str(body.get("items"))})
    database().execute("INSERT INTO orders (number, price) VALUES (?, ?)", (body["number"], 3 * body["items"]))
    return jsonify(ok=True)


@app.get("/catalogue")
def catalogue() -> Response:
    """8. Slow: each order is asked for by itself."""
    found = database().execute("SELECT id FROM orders").fetchall()
    return jsonify([price_of(order) for (order,) in found])


def price_of(order: int) -> int:
    """One order's price, from a database that is some way off."""
    time.sleep(0.005)
    (price,) = database().execute("SELECT price FROM orders WHERE id = ?", (order,)).fetchone()
    return int(price)


@app.post("/mail")
def mail() -> Response:
    """9. The thread that sends mails fails, and no request waits for it."""
    mails.put("ada")
    return jsonify(sent=True)


def send_mails() -> None:
    """Send what is queued, or rather not."""
    mails.get()
    raise ConnectionAbortedError("the mail server closed the connection")


threading.Thread(target=send_mails, name="mailer", daemon=True).start()


@app.post("/login")
def login() -> tuple[Response, int]:
    """10. Somebody guesses passwords."""
    body = request.get_json()
    log_security_event("authentication", outcome="failure", actor=body["user"], source=request.remote_addr)
    return jsonify(error="wrong password"), 401


@app.errorhandler(TraxError)
def failed(error: TraxError) -> tuple[Response, int]:
    """What the caller is told."""
    logger.warning("%s refused: %s", request.path, error)
    return jsonify(error=error.message, code=error.error_code), 400 if isinstance(error, InvalidInputError) else 500


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    app.run(port=parser.parse_args().port, threaded=True)
