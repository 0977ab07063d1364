"""Managers and the operations marked for them."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading

import pytest

from trax_otel import semconv
from trax_otel.errors import InvalidConfigError, RecoveryError
from trax_otel.metrics import timing_context
from trax_otel.recovery import (
    CachedFallback,
    FallbackManager,
    TranscriptionFallbackManager,
    fallback_context,
    fallback_point,
)
from trax_otel.retry import async_retry, retry


def managed(*alternatives, **options) -> FallbackManager:
    manager = FallbackManager(**options)
    for alternative in alternatives:
        manager.add_fallback(alternative)
    return manager


# --- The manager ----------------------------------------------------------------------------------------------------------


async def test_a_manager_answers_for_any_operation(caller):
    manager = managed(caller.scripted(LookupError(), name="a"), caller.scripted("ok", name="b"))
    assert await caller.run(manager, caller.scripted("own")) == "own"
    assert await caller.run(manager, caller.scripted(OSError()), "x") == "ok"
    assert manager.fallbacks == ("a", "b")
    assert manager.remove_fallback("b")
    assert not manager.remove_fallback("b")
    with pytest.raises(RecoveryError, match="a: LookupError"):
        await caller.run(manager, caller.scripted(OSError()))


async def test_an_alternative_may_serve_some_operations_and_errors_only(caller):
    manager = FallbackManager()
    manager.add_fallback(caller.scripted("words"), name="words", points=["transcribe"])
    manager.add_fallback(caller.scripted("late"), name="late", on=TimeoutError)
    assert await caller.run(manager, caller.scripted(OSError(), name="transcribe")) == "words"
    assert await caller.run(manager, caller.scripted(TimeoutError(), name="load")) == "late"
    with pytest.raises(ValueError, match="own"):  # nobody serves it: as if there were no manager
        await caller.run(manager, caller.scripted(ValueError("own"), name="load"))


async def test_alternatives_are_asked_by_priority_and_then_in_order(caller):
    manager = FallbackManager()
    for name, priority in (("last", 200), ("second", 100), ("third", 100), ("first", 1.5)):
        manager.add_fallback(caller.scripted(LookupError(name)), name=name, priority=priority)
    assert manager.fallbacks == ("first", "second", "third", "last")
    manager.remove_fallback("first")
    manager.add_fallback(caller.scripted("found"), name="first")
    assert manager.fallbacks == ("second", "third", "first", "last")
    with pytest.raises(InvalidConfigError, match="priority='high'"):
        manager.add_fallback(print, priority="high")


def test_bad_alternatives_are_refused():
    manager = managed(len)
    with pytest.raises(InvalidConfigError, match="'len'"):
        manager.add_fallback(len)
    with pytest.raises(InvalidConfigError, match="points='x'"):
        manager.add_fallback(print, points="x")
    with pytest.raises(InvalidConfigError, match="pass them there"):
        manager.add_fallback(CachedFallback(), name="x")
    with pytest.raises(InvalidConfigError, match="manager=3"):
        fallback_context(3)


# --- Transcription --------------------------------------------------------------------------------------------------------


class Recogniser:
    """An object with `transcribe`."""

    def __init__(self, function):
        self.transcribe = function


@pytest.mark.parametrize("as_object", [True, False])
async def test_the_specifications_transcription_manager(caller, as_object):
    whisper = caller.scripted(lambda audio: f"whispered {audio}")
    kept = {"kept.wav": "from before"}
    manager = TranscriptionFallbackManager()
    await manager.add_whisper_fallback(Recogniser(whisper) if as_object else whisper)
    await manager.add_cached_transcription_fallback(caller.scripted(kept.__setitem__), caller.scripted(kept.get))
    primary = caller.scripted("by the primary", OSError("down"))
    assert await caller.run(manager, primary, "a.wav", "en") == "by the primary"
    assert kept["a.wav"] == "by the primary"
    assert await caller.run(manager, primary, "a.wav", "en") == "whispered a.wav"
    manager.remove_fallback("whisper")
    assert await caller.run(manager, primary, "kept.wav") == "from before"
    with pytest.raises(RecoveryError, match="cached_transcription had no answer"):
        await caller.run(manager, primary, "other.wav")


async def test_what_cannot_transcribe_is_refused():
    with pytest.raises(InvalidConfigError, match="whisper_service=3"):
        await TranscriptionFallbackManager().add_whisper_fallback(3)


# --- Points ---------------------------------------------------------------------------------------------------------------


def point(caller, *outcomes, name="transcribe"):
    function = caller.scripted(*outcomes, name=name)
    if not caller.asynchronous:
        return fallback_point(lambda *args: function(*args))

    @fallback_point(name=name)
    async def marked(*args):
        return await function(*args)

    return marked


async def test_inside_a_block_a_marked_operation_falls_back(caller):
    manager = managed(caller.scripted(lambda text: f"other {text}"))
    marked = point(caller, OSError("down"))
    assert await caller.inside(manager, marked, "x") == "other x"
    with pytest.raises(OSError, match="down"):  # outside of any block it is itself
        await caller.call(marked, "x")


async def test_the_specifications_service_is_answered_by_the_fallback(trax_telemetry, trax_clock):
    class WhisperClient:
        @fallback_point
        async def transcribe(self, audio_file):
            raise ConnectionError("refused")

    class TranscriptionService:
        whisper_client = WhisperClient()

        def __init__(self):
            self.fallback_manager = TranscriptionFallbackManager()

        @async_retry(max_retries=3)
        async def transcribe_audio(self, audio_file):
            with timing_context("transcription_operation"):
                async with fallback_context(self.fallback_manager):
                    return await self.whisper_client.transcribe(audio_file)

    service = TranscriptionService()
    await service.fallback_manager.add_whisper_fallback(lambda audio: f"recognised {audio}")
    assert await service.transcribe_audio("a.wav") == "recognised a.wav"
    names = [
        line.strip().split(" [")[0] for line in trax_telemetry.tree().splitlines() if not line.strip().startswith("-")
    ]
    assert [name.rpartition(".")[2] for name in names] == [
        "transcribe_audio", "transcription_operation", "transcribe", "recover", "fallback",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["method", "class", "static"])
async def test_alternatives_get_the_arguments_without_self(kind):
    class Client:
        @fallback_point
        def method(self, text):
            raise OSError(text)

        @fallback_point
        @classmethod
        def of_class(cls, text):
            raise OSError(text)

        @fallback_point
        @staticmethod
        def static(text):
            raise OSError(text)

    function = {"method": Client().method, "class": Client.of_class, "static": Client.static}[kind]
    with fallback_context(managed(lambda text: f"other {text}")):
        assert function("x") == "other x"
        assert function(text="y") == "other y"


async def test_retries_around_a_point_recognise_what_it_is(caller):
    marked = point(caller, ConnectionError("down"), ConnectionError("down"), "third")
    assert inspect.iscoroutinefunction(getattr(marked, "__call__")) is caller.asynchronous
    assert await caller.call(retry(max_retries=2, initial_delay=0)(marked)) == "third"


def test_what_cannot_be_marked_is_refused():
    with pytest.raises(TypeError, match="is a class"):
        fallback_point(dict)

    def generator():
        yield 1

    with pytest.raises(TypeError, match="generator function"):
        fallback_point(generator)


# --- Blocks ---------------------------------------------------------------------------------------------------------------


async def test_a_block_runs_any_function(caller):
    manager = managed(caller.scripted("other"))
    if caller.asynchronous:
        async with fallback_context(manager) as fallbacks:
            assert await fallbacks.execute(caller.scripted(OSError()), "x") == "other"
    else:
        with fallback_context(manager) as fallbacks:
            assert fallbacks.execute(caller.scripted(OSError()), "x") == "other"
    with pytest.raises(RuntimeError, match="inside its"):
        fallbacks.execute(print)


async def test_what_the_block_raises_is_recorded_and_goes_on(trax_telemetry):
    error = LookupError("own")
    with (
        trax_telemetry.tracer().start_as_current_span("request", record_exception=False, set_status_on_exception=False),
        pytest.raises(LookupError) as raised,
    ):
        async with fallback_context(managed(len)):
            raise error
    assert raised.value is error
    assert trax_telemetry.event("exception").attributes["exception.message"] == "own"


async def test_the_innermost_block_answers(caller):
    outer, inner = managed(caller.scripted("outer")), managed(caller.scripted("inner"))
    marked = point(caller, OSError())

    async def nested():
        return await caller.inside(inner, marked), await caller.call(marked)

    async with fallback_context(outer):
        assert await nested() == ("inner", "outer")


async def test_an_alternative_that_is_a_point_itself_does_not_ask_its_own_manager(caller):
    asked = []
    marked = point(caller, lambda *args: asked.append(args) or 1 / 0)
    manager = managed(marked)
    with pytest.raises(RecoveryError) as raised:
        await caller.inside(manager, marked, "x")
    assert len(asked) == 2
    assert [type(cause) for cause in raised.value.causes] == [ZeroDivisionError] * 2


async def test_a_point_inside_a_point_asks_the_alternatives_once(caller):
    other = caller.scripted(LookupError("no"))
    inner = point(caller, OSError("down"))
    manager = managed(other)
    with pytest.raises(RecoveryError):
        await caller.inside(manager, point(caller, inner, name="outer"), "x")
    assert len(other.calls) == 1


async def test_a_block_is_entered_once_at_a_time():
    block = fallback_context(managed(len))
    with block, pytest.raises(RuntimeError, match="entered already"), block:
        pass
    with block:
        pass


async def test_tasks_have_their_own_manager():
    @fallback_point
    async def marked():
        await asyncio.sleep(0)
        raise OSError

    async def work(number):
        async with fallback_context(managed(lambda: number)):
            await asyncio.sleep(0)
            return [await marked() for _ in range(5)]

    assert await asyncio.gather(*map(work, range(20))) == [[number] * 5 for number in range(20)]


async def test_threads_are_outside_unless_given_the_context():
    marked = fallback_point(lambda: 1 / 0)
    came = []

    def work():
        try:
            came.append(marked())
        except ZeroDivisionError:
            came.append("its own error")

    with fallback_context(managed(lambda: "answered")):
        for target in (work, contextvars.copy_context().run):
            thread = threading.Thread(target=target, args=() if target is work else (work,))
            thread.start()
            thread.join()
        assert await asyncio.to_thread(marked) == "answered"
    assert came == ["its own error", "answered"]


async def test_counters_are_by_operation_and_alternative(caller, trax_telemetry):
    manager = managed(caller.scripted("other", name="spare"), name="manager_of_counts")
    await caller.run(manager, caller.scripted(OSError(), name="counted"))
    labels = {semconv.OPERATION_NAME: "counted", semconv.RECOVERY_FALLBACK: "spare"}
    assert trax_telemetry.metric(semconv.RECOVERY_FALLBACKS.name, labels).value >= 1
