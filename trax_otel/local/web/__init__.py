# The page. Server-rendered; one style sheet and one small script, both served from here.
#
#   pages, live, forms    the routes, the stream of news, the search
#   waterfall, plots      what is computed before it is drawn
#   templating            jinja2, with everything tidied and escaped
"""The page of the embedded endpoint."""

from .pages import routes

__all__ = ["routes"]
