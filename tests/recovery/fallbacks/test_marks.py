"""A marked function is to others what the function was: bound, compared, copied, asked for its kind and signature."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
import sys

import pytest

from trax_otel.recovery import FallbackManager, Feature, degradable, fallback_context, fallback_point
from trax_otel.retry import retry


def plain(text: str, times: int = 1) -> str:
    """Its own text."""
    return text * times


class Client:
    """With each kind of marked method."""

    def __init__(self, name: str = "client") -> None:
        self.name = name

    @fallback_point
    def load(self, text: str) -> str:
        raise OSError(self.name)

    @fallback_point
    async def load_async(self, text: str) -> str:
        raise OSError(self.name)

    @fallback_point
    @retry(max_retries=0)
    def retried(self, text: str) -> str:
        raise ConnectionError(self.name)

    @fallback_point
    @classmethod
    async def of_class(cls, text: str) -> str:
        raise OSError(cls.__name__)


def test_a_marked_function_keeps_its_name_text_and_signature():
    marked = fallback_point(plain)
    assert (marked.__name__, marked.__doc__, marked.__wrapped__) == ("plain", "Its own text.", plain)
    assert inspect.signature(marked) == inspect.signature(plain)
    assert str(inspect.signature(Client().load)) == "(text: 'str') -> 'str'"


def test_a_marked_method_is_a_bound_method():
    client = Client()
    assert inspect.ismethod(client.load)
    assert client.load == client.load
    assert client.load != Client().load
    assert client.load.__self__ is client


def test_marked_functions_and_methods_can_be_sent_to_other_processes(monkeypatch):
    module = type(sys)("shop_points")
    module.__dict__.update(marked=fallback_point(_named("marked")), search=_degradable("search"), Client=Client)
    monkeypatch.setitem(sys.modules, "shop_points", module)
    for one in (module.marked, module.search):
        assert pickle.loads(pickle.dumps(one)) is one
        assert copy.deepcopy(one) is one


def _named(name):
    def function():
        return name

    function.__module__, function.__name__, function.__qualname__ = "shop_points", name, name
    return function


def _degradable(name):
    return degradable(Feature(name))(_named(name))


def test_frameworks_see_that_it_has_to_be_awaited():
    @fallback_point
    async def marked():
        return 1

    @degradable(Feature("seen"))
    async def search():
        return 1

    for one in (marked, search):
        assert asyncio.iscoroutinefunction(one)
        assert inspect.iscoroutinefunction(one) is (sys.version_info >= (3, 12))
    assert inspect.iscoroutinefunction(Client().load_async)
    assert not asyncio.iscoroutinefunction(Client().load)
    assert inspect.iscoroutinefunction(Client.of_class)


@pytest.mark.parametrize("method", ["load", "retried"])
def test_alternatives_of_methods_do_not_get_the_object(method):
    manager = FallbackManager()
    manager.add_fallback(lambda *args, **kwargs: (args, kwargs), name="seen")
    function = getattr(Client("a"), method)
    with pytest.raises(Exception, match="a"):
        function("x")
    with fallback_context(manager):
        assert function("x") == (("x",), {})
        assert getattr(Client, method)(Client("a"), "x")[0][1] == "x"  # called by its class, the object is an argument
    assert functools.partial(function, "x").func == function


async def test_methods_of_classes_know_their_class():
    class Other(Client):
        pass

    with pytest.raises(OSError, match="Other"):
        await Other.of_class("x")
    with pytest.raises(OSError, match="Client"):
        await Client("a").of_class("x")
