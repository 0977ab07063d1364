"""A small shop under FastAPI. From this folder:

trax-otel run --local --service-name shop -- uvicorn app:app
curl 'localhost:8000/orders/42' -H 'X-Correlation-ID: req-1'
curl 'localhost:8000/report'        # a defect: nobody handles it
"""

from __future__ import annotations

import asyncio
import os

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from trax_otel.errors import TraxError, create_network_error
from trax_otel.logging import async_timing_context, bind, get_logger

STOCK = os.environ.get("STOCK_SERVICE", "http://127.0.0.1:9")  # nothing listens there: the stock is unknown

app = FastAPI()
logger = get_logger(__name__)


@app.get("/orders/{number}")
async def order(number: int) -> dict[str, object]:
    """An order and, side by side, its price and its stock."""
    with bind(order=number):
        price, stock = await asyncio.gather(price_of(number), stock_of(number))
        logger.info("order shown", extra={"price": price})
        return {"number": number, "price": price, "stock": stock}


async def price_of(number: int) -> int:
    """Takes a moment."""
    async with async_timing_context("price"):
        await asyncio.sleep(0.01)
        return 3 * number


async def stock_of(number: int) -> int | None:
    """The stock, or None where the stock service is away: an order can be shown without."""
    try:
        async with async_timing_context("stock"):
            async with httpx.AsyncClient(timeout=2) as client:
                try:
                    answer = await client.get(f"{STOCK}/stock/{number}")
                except httpx.HTTPError as error:
                    raise create_network_error("the stock service is away", original_error=error) from error
            return int(answer.json()["left"])
    except TraxError as error:
        logger.warning("shown without stock: %s", error, extra={"error_code": error.error_code})
        return None


@app.exception_handler(TraxError)
async def failed(_: Request, error: TraxError) -> JSONResponse:
    """Whoever calls gets the code; the log has the rest."""
    return JSONResponse({"error": error.error_code, "message": str(error)}, 503 if error.retryable else 500)


@app.get("/report")
async def report() -> dict[str, float]:
    """Has a defect, as every service has."""
    sold: dict[str, int] = {}
    return {"average": sum(sold.values()) / len(sold)}
