"""A Sanic application."""

from sanic import Sanic, json, text

app = Sanic("served")


@app.get("/sanic/item/<number:int>")
async def item(request, number):
    return json({"number": number})


@app.get("/sanic/fail")
async def fail(request):
    raise ValueError("broken")


@app.get("/sanic/refuse")
async def refuse(request):
    return text("no", status=503)
