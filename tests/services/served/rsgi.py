"""A raw application for granian's own interface."""


async def app(scope, proto):
    if scope.path == "/rsgi/fail":
        raise ValueError("broken")
    proto.response_str(200, [("content-type", "text/plain")], "served")
