"""Resilience: what retries, breakers and recovery do, what they cost, and where they no longer help."""

from __future__ import annotations

from typing import Any

from trax_otel import semconv

from .. import layout, names, panels, queries
from ..collected import SPAN_BREAKER_TRANSITIONS, SPAN_RECOVERIES, SPAN_RETRIES, SPAN_RETRIES_EXHAUSTED
from ..panels import GREEN, PURPLE, RED, YELLOW, legend, limits, prometheus, tempo
from ..queries import equal, grown, how_many, like, own, per_second, rate, share, total, worst

SERVICE, OPERATION = semconv.SERVICE_NAME, semconv.OPERATION_NAME
BREAKER = (SERVICE, semconv.BREAKER_NAME)
NO_RETRY = "No operation is retried"
NO_BREAKER = "No circuit breaker reports"
NO_RECOVERY = "No recovery was tried"
NO_STATE = "No operation keeps its state"


def resilience() -> Any:
    """Everything about retries, breakers and recovery."""
    return layout.dashboard(
        "trax-resilience",
        "Resilience",
        "Retries by how they end and what they cost; breakers; fallbacks, degraded features, recoveries, resumed operations.",
        [
            ("At a glance", glance()),
            ("Retries", [*retries(), *waits()]),
            ("Circuit breakers", breakers()),
            ("Recovery", recovery()),
            ("Interrupted operations", state()),
            ("Services that send traces alone", from_spans()),
            ("Traces", [examples()]),
        ],
    )


def amplification(*by: str) -> str:
    """Calls made for each operation."""
    return f"{per_second(semconv.RETRY_ATTEMPTS, *by)} / ({per_second(semconv.RETRY_OPERATIONS, *by)} > 0)"


def glance() -> list[Any]:
    """Six numbers."""
    saved = per_second(semconv.RETRY_OPERATIONS, where=equal(semconv.RETRY_OUTCOME, "succeeded_with_retry"))
    repeated = per_second(
        semconv.RETRY_OPERATIONS, where=like(semconv.RETRY_OUTCOME, "succeeded_with_retry|failed_with_retry")
    )
    answered = per_second(semconv.RECOVERY_ATTEMPTS, where=equal(semconv.RECOVERY_OUTCOME, "recovered"))
    tried = per_second(semconv.RECOVERY_ATTEMPTS, where=like(semconv.RECOVERY_OUTCOME, "recovered|failed|timeout"))
    opened = how_many(semconv.BREAKER_STATES, "== 1", equal(semconv.BREAKER_STATE, "open"))
    dead = queries.over_range(semconv.STATE_OPERATIONS, where=equal(semconv.STATE_OUTCOME, "dead_lettered"))
    return [
        panels.stat(
            "Calls per operation", "none", prometheus(amplification()), decimals=2, empty=NO_RETRY,
            steps=limits((1.5, YELLOW), (2, RED)),
            shows="Calls made for each retried operation: 1 is no repeat at all.",
            act="Above 2, retries double the load of what is failing. Give them a shared budget, or a breaker.",
        ),
        panels.stat(
            "Saved by retry", "percentunit", prometheus(share(saved, repeated)), empty="Nothing had to be repeated",
            steps=limits((0.5, YELLOW), (0.8, GREEN), first=RED),
            shows="Of the operations that were repeated, the share that succeeded in the end.",
            act="A low share: the fault lasts longer than the retries. A breaker or a fallback serves better.",
        ),
        panels.stat(
            "Breakers open", "none", prometheus(opened), empty=NO_BREAKER, steps=limits((1, RED)),
            shows="Circuit breakers that reject calls now, in all instances.",
            act="The timeline below says which; its peer is the one to look at.",
        ),
        panels.stat(
            "Recovered", "percentunit", prometheus(share(answered, tried)), empty=NO_RECOVERY,
            steps=limits((0.5, YELLOW), (0.9, GREEN), first=RED),
            shows="The share of recovery attempts that gave an answer.",
            act="See Recoveries by strategy: a strategy that always fails only costs time.",
        ),
        panels.stat(
            "Features degraded", "none", prometheus(how_many(semconv.FEATURE_LEVELS, "> 0")), empty="No feature has levels",
            steps=limits((1, YELLOW)),
            shows="Features that work on a lower level, in all instances.",
            act="They come back by themselves once their failures end: look for those.",
        ),
        panels.stat(
            "Dead-lettered", "short", prometheus(dead), empty=NO_STATE, steps=limits((1, RED)),
            shows="Operations of this time range that were resumed too often and given up.",
            act="`trax-otel state dead` lists them; `trax-otel state recover` queues one anew once its cause is gone.",
        ),
    ]  # fmt: skip


def retries() -> list[Any]:
    """How retried operations end, and how many calls that takes."""
    outcome = semconv.RETRY_OUTCOME
    return [
        panels.timeseries(
            "How retried operations end", "ops", prometheus(per_second(semconv.RETRY_OPERATIONS, outcome), legend(outcome)),
            stacked=True, empty=NO_RETRY,
            shows="Succeeded or failed, without or with a repeat; or rejected, cancelled, out of time, out of budget.",
            act="failed_with_retry: the fault outlasts the repeats. failed_without_retry: it is not retryable.",
        ),
        panels.timeseries(
            "Calls per operation", "none", prometheus(amplification(SERVICE, OPERATION), legend(SERVICE, OPERATION)),
            empty=NO_RETRY, least=1.0, steps=limits((2, RED)),
            shows="The amplification: calls made for each operation, first calls included.",
            act="Layers multiply: retry in one layer only, or let all share a budget.",
        ),
    ]  # fmt: skip


def waits() -> list[Any]:
    """What waiting costs, what budgets still allow, what was given up."""
    curves = [
        prometheus(
            queries.quantile(part, own(semconv.RETRY_DELAYS, part="bucket")),
            f"p{part * 100:.0f}",
            exemplar=part == 0.95,
        )
        for part in (0.5, 0.95)
    ]
    failed = like(semconv.RETRY_OUTCOME, "failed_with_retry|deadline|budget")
    end = (SERVICE, OPERATION, semconv.RETRY_OUTCOME)
    budget = (SERVICE, semconv.RETRY_BUDGET_NAME)
    return [
        panels.timeseries(
            "Delays between attempts", "s", *curves, width=8, empty="Nothing had to be repeated",
            shows="How long was waited before a repeat: half and 95% of the waits were shorter.",
            act="Long waits hold threads and callers: set `max_delay` and a deadline. A peer's Retry-After may be the reason.",
        ),
        panels.timeseries(
            "Retry budgets", "none", prometheus(worst(semconv.RETRY_BUDGET_TOKENS, *budget, worst_is="min"), legend(*budget)),
            width=8, empty="No retry shares a budget (retry_budget)",
            shows="Repeats that each shared budget still allows, in the instance that has the fewest.",
            act="At 0 nothing is repeated any more, which protects the peer: repair the peer, do not raise the budget.",
        ),
        panels.timeseries(
            "Given up", "ops",
            prometheus(per_second(semconv.RETRY_OPERATIONS, *end, where=failed), legend(*end)),
            width=8, empty=NO_RETRY,
            shows="Operations that failed although they were repeated, or could not be repeated any more.",
            act="Look at the operation's error codes; recovery or a fallback is for those.",
        ),
    ]  # fmt: skip


def breakers() -> list[Any]:
    """States, trips, calls and rejections."""
    states = " or ".join(
        f"{own(semconv.BREAKER_STATES, equal(semconv.BREAKER_STATE, state))} * {value}"
        for value, state in enumerate(("closed", "half_open", "open", "isolated"))
    )
    state = f"max by ({', '.join(map(names.label, BREAKER))}) ({states})"
    opened = own(semconv.BREAKER_TRANSITIONS, equal(semconv.BREAKER_STATE, "open"))
    rejected = equal(semconv.OUTCOME, "rejected")
    return [
        panels.timeline(
            "States", "none", prometheus(state, legend(*BREAKER)), width=24, empty=NO_BREAKER,
            mappings=panels.meanings(_0=("closed", GREEN), _1=("half open", YELLOW), _2=("open", RED), _3=("isolated", PURPLE)),
            shows="The state of each circuit breaker; of several instances, the worst.",
            act="Long red: the peer is down. Stripes: it flaps, so raise the time-out or the number of probes.",
        ),
        panels.timeseries(
            "Trips", "none",
            prometheus(total(grown(opened), *BREAKER, semconv.BREAKER_REASON), legend(*BREAKER, semconv.BREAKER_REASON)),
            width=8, empty=NO_BREAKER,
            shows="How often breakers opened, by reason.",
            act="slow_call_rate: the peer is slow, not down. probe_failed: it is not back yet.",
        ),
        panels.timeseries(
            "Calls by outcome", "ops", prometheus(per_second(semconv.BREAKER_CALLS, semconv.OUTCOME), legend(semconv.OUTCOME)),
            width=8, stacked=True, empty=NO_BREAKER,
            shows="Calls through breakers by how they ended.",
            act="Failures without trips: the thresholds are too high for this traffic.",
        ),
        panels.timeseries(
            "Rejections", "ops", prometheus(per_second(semconv.BREAKER_CALLS, *BREAKER, where=rejected), legend(*BREAKER)),
            width=8, empty=NO_BREAKER,
            shows="Calls that an open breaker did not let through.",
            act="Each is an error that a caller sees, unless a fallback answers: give such operations one.",
        ),
    ]  # fmt: skip


def recovery() -> list[Any]:
    """Strategies, fallbacks, degraded features."""
    strategy = (semconv.RECOVERY_STRATEGY, semconv.RECOVERY_OUTCOME)
    alternative = (SERVICE, OPERATION, semconv.RECOVERY_FALLBACK)
    feature = (SERVICE, semconv.FEATURE_NAME)
    slow = queries.quantile(0.95, own(semconv.RECOVERY_DURATION, part="bucket"), SERVICE, OPERATION)
    return [
        panels.timeseries(
            "Recoveries by strategy", "ops", prometheus(per_second(semconv.RECOVERY_ATTEMPTS, *strategy), legend(*strategy)),
            width=6, stacked=True, empty=NO_RECOVERY,
            shows="Recovery strategies that were tried, by outcome.",
            act="failed and timeout: nothing answered, and TRAX-007 has every cause.",
        ),
        panels.timeseries(
            "Time to recover (p95)", "s", prometheus(slow, legend(SERVICE, OPERATION), exemplar=True), width=6,
            empty=NO_RECOVERY,
            shows="How long recoveries took.",
            act="Its caller waits that long: set a deadline, or put the fast strategy first.",
        ),
        panels.timeseries(
            "Fallbacks", "ops", prometheus(per_second(semconv.RECOVERY_FALLBACKS, *alternative), legend(*alternative)), width=6,
            stacked=True, empty="No alternative had to answer",
            shows="Calls that an alternative answered in the primary's place.",
            act="Users get second-best answers: the primary's error code says why.",
        ),
        panels.timeline(
            "Features below their full level", "none", prometheus(worst(semconv.FEATURE_LEVELS, *feature), legend(*feature)),
            width=6, empty="No feature has levels (feature)",
            mappings=panels.meanings(_0=("full", GREEN), _1=("1 below", YELLOW), _2=("2 below", RED)),
            shows="How many levels a feature is below its full one, in the worst instance.",
            act="It comes back after quiet time; if it does not, its failures go on.",
        ),
    ]  # fmt: skip


def state() -> list[Any]:
    """Operations whose state is kept."""
    by = (semconv.STATE_OPERATION_TYPE, semconv.STATE_OUTCOME)
    trouble = like(semconv.STATE_OUTCOME, "recovered|dead_lettered|lost|failed")
    store = queries.quantile(0.95, own(semconv.STATE_STORE_DURATION, part="bucket"), SERVICE, semconv.STATE_OUTCOME)
    return [
        panels.timeseries(
            "Interrupted, given up, lost", "none",
            prometheus(total(grown(own(semconv.STATE_OPERATIONS, trouble)), *by), legend(*by)), width=8, empty=NO_STATE,
            shows="recovered: taken over after an interruption. dead_lettered: given up. lost: another process took it over.",
            act="`trax-otel state list` shows what is interrupted now, `trax-otel state dead` what was given up.",
        ),
        panels.timeseries(
            "Steps", "ops", prometheus(per_second(semconv.STATE_STEPS, *by), legend(*by)), width=8, stacked=True, empty=NO_STATE,
            shows="Steps that ran, were replayed from their record, or failed.",
            act="Many replayed steps: processes die and are resumed. Look at memory limits and deployments.",
        ),
        panels.timeseries(
            "Store (p95)", "s", prometheus(store, legend(SERVICE, semconv.STATE_OUTCOME)), width=8, empty=NO_STATE,
            shows="How long saving and reading state took.",
            act="Slow beyond a lease's time loses operations: look at the database.",
        ),
    ]  # fmt: skip


def from_spans() -> list[Any]:
    """The same, counted by the collector."""
    counted = (
        (
            "Repeats by code",
            SPAN_RETRIES,
            semconv.ERROR_CODE,
            "Repeats that were scheduled, by the code that caused them.",
        ),
        (
            "Given up by reason",
            SPAN_RETRIES_EXHAUSTED,
            semconv.RETRY_STOP_REASON,
            "Operations that were given up, by reason.",
        ),
        ("Breaker changes", SPAN_BREAKER_TRANSITIONS, semconv.BREAKER_STATE, "Changes of breakers' states."),
        ("Recoveries", SPAN_RECOVERIES, semconv.RECOVERY_OUTCOME, "Recoveries that ended, by outcome."),
    )
    return [
        panels.timeseries(title, "ops", prometheus(total(rate(queries.derived(name)), SERVICE, by), legend(SERVICE, by)), width=6,
                          empty="No span told of any", shows=f"{shows} The collector counted them on spans.",
                          act="The same panels above have more, for services that export metrics.")
        for title, name, by, shows in counted
    ]  # fmt: skip


def examples() -> Any:
    """Traces to look at."""
    conditions = (
        f'(span.{semconv.RETRY_COUNT} > 0 || span.{semconv.OUTCOME} = "rejected" || span.{semconv.RECOVERY_OUTCOME} != nil'
        f" || span.{semconv.STATE_RECOVERIES} > 0)"
    )
    return panels.table(
        "Retried, rejected, recovered and resumed", "ns", tempo(queries.traces(conditions)), columns={}, width=24,
        empty="No such trace in this time range",
        shows="Traces in which an operation was repeated, rejected, recovered or resumed, of all environments.",
        act="Open one: attempts are spans, the wait is the gap between them, a rejected call links to the trip.",
    )  # fmt: skip
