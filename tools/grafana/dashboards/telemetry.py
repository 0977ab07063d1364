"""Telemetry health: can the other dashboards be believed?"""

from __future__ import annotations

from typing import Any

from trax_otel import semconv

from .. import layout, panels
from ..collected import SIGNALS
from ..names import label
from ..panels import GREEN, RED, YELLOW, legend, limits, prometheus
from ..queries import own, per_second, share, total

SERVICE, SIGNAL = semconv.SERVICE_NAME, semconv.SIGNAL
WHERE = "{{instance}}"
NO_COLLECTOR = "No collector is scraped: see the targets of Prometheus"
NOTHING_SENT = "No service of this package has sent anything yet"
WORDS = {"spans": "spans", "metric_points": "points", "log_records": "log records"}


def telemetry() -> Any:
    """Everything about the way from a service to the stores."""
    return layout.dashboard(
        "trax-telemetry",
        "Telemetry health",
        "What services and collectors received, sent, queued and lost. Look here when another dashboard is empty.",
        [
            ("At a glance", glance()),
            ("Services", services()),
            ("Collectors: in and out", flow()),
            ("Collectors: queues and failures", pressure()),
            ("Collectors themselves", themselves()),
        ],
    )


def collector(what: str, signal: str, *by: str) -> str:
    """How many items of a signal a second."""
    return f"sum by ({', '.join(by)}) (rate(otelcol_{what}_{signal}[$__rate_interval]))"


def trouble(what: str, of: str, signal: str, *by: str) -> str:
    """As `collector`, for a counter that begins at its first item: 0 until then, wherever `of` counts."""
    return f"{collector(what, signal, *by)} or 0 * {collector(of, signal, *by)}"


def queue_share(*by: str) -> str:
    """How full the queues are."""
    return f"max by ({', '.join(by)}) (otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)"


def silence() -> str:
    """Seconds since a service's last metric."""
    seen = f"timestamp({own(semconv.PROCESS_UPTIME)})"
    return f"time() - max by ({label(SERVICE)}) (max_over_time({seen}[$__range:1m]))"


def glance() -> list[Any]:
    """Four numbers."""
    lost = share(
        per_second(semconv.TELEMETRY_DROPPED),
        f"({per_second(semconv.TELEMETRY_DROPPED)} + {per_second(semconv.TELEMETRY_EXPORTED)})",
    )
    failed = " + ".join(
        f"sum({trouble('exporter_send_failed', 'exporter_sent', signal, 'instance')})" for signal in SIGNALS
    )
    return [
        panels.stat(
            "Lost in services", "percentunit", prometheus(lost), width=6, decimals=2, empty=NOTHING_SENT,
            steps=limits((0.001, YELLOW), (0.01, RED)),
            shows="What services dropped, as a share of all that they had to send.",
            act="See Dropped by services for the reason; `trax-otel doctor` checks the way to the collector.",
        ),
        panels.stat(
            "Silent for", "s", prometheus(f"max({silence()})"), width=6, empty=NOTHING_SENT,
            steps=limits((180, YELLOW), (600, RED)),
            shows="The longest time since a service's last metric.",
            act="Is the service up? Then `trax-otel doctor` in its environment says where the way is broken.",
        ),
        panels.stat(
            "Fullest queue", "percentunit", prometheus(f"max({queue_share('instance')})"), width=6, empty=NO_COLLECTOR,
            steps=limits((0.5, YELLOW), (0.8, RED)),
            shows="The fullest of the collectors' sending queues.",
            act="The store behind it is away or slow: see Queues. A full one makes senders wait; nothing is thrown away.",
        ),
        panels.stat(
            "Failing to send", "cps", prometheus(failed), width=6, empty=NO_COLLECTOR, steps=limits((0.001, RED)),
            shows="Items a second that collectors could not send for good.",
            act="The collector's log names the store and its answer; what may pass later is kept and tried again.",
        ),
    ]  # fmt: skip


def services() -> list[Any]:
    """What the package says of itself."""
    dropped = (SERVICE, SIGNAL, semconv.DROP_REASON)
    return [
        panels.timeseries(
            "Sent by services", "ops",
            prometheus(per_second(semconv.TELEMETRY_EXPORTED, SERVICE, SIGNAL), legend(SERVICE, SIGNAL)), width=8, stacked=True,
            empty=NOTHING_SENT,
            shows="Spans, lines and points a second that the endpoint accepted.",
            act="A signal that stops while others go on: its exporter is refused; the service's own log says why.",
        ),
        panels.timeseries(
            "Dropped by services", "ops", prometheus(per_second(semconv.TELEMETRY_DROPPED, *dropped), legend(*dropped)), width=8,
            empty=NOTHING_SENT, steps=limits((0.001, RED)),
            shows="What services could not deliver, by reason.",
            act="queue_full: the collector is too slow. rejected, unencodable: it refuses them. transport: it is away.",
        ),
        panels.timeseries(
            "Silence", "s", prometheus(silence(), legend(SERVICE)), width=8, empty=NOTHING_SENT, steps=limits((600, RED)),
            shows="Seconds since each service's last metric; one is exported every 60 s.",
            act="A line that climbs: the service is down, or its telemetry is.",
        ),
    ]  # fmt: skip


def flow() -> list[Any]:
    """What collectors take in and hand on."""
    return [
        panels.timeseries(f"{heading}: {WORDS[signal]}", "ops",
                          prometheus(collector(counter, signal, "instance", by), legend("instance", by)), width=8, height=7,
                          empty=NO_COLLECTOR,
                          shows=f"{heading.split()[0]} {WORDS[signal]} a second, by collector and {by}.", act=act)
        for heading, counter, by, act in (
            ("Received by collectors", "receiver_accepted", "receiver", "Nothing comes in: services cannot reach it."),
            ("Sent by collectors", "exporter_sent", "exporter", "Less than received, for long: see Queues."),
        )
        for signal in SIGNALS
    ]  # fmt: skip


def pressure() -> list[Any]:
    """What waits, and what fails."""
    place = ("instance", "exporter")
    kinds = (
        ("Refused", "receiver_refused", "receiver_accepted", ("instance", "receiver"),
         "Items that a collector did not take, so that senders keep them.",
         "Its memory is at its limit or its queue is full: give it more, or repair the store behind it."),
        ("Failing to send", "exporter_send_failed", "exporter_sent", place, "Items that a collector could not send.",
         "The store refuses them: the collector's log has its answer."),
        ("Not queued", "exporter_enqueue_failed", "exporter_sent", place, "Items for which a queue had no room or no disk.",
         "The disk of TRAX_COLLECTOR_DATA is full or not writable: these items are lost unless the sender repeats them."),
    )  # fmt: skip
    return [
        panels.timeseries(
            "Queues", "percentunit", prometheus(queue_share(*place, "data_type"), legend(*place, "data_type")), width=6,
            most=1.0, empty=NO_COLLECTOR, steps=limits((0.8, RED)),
            shows="How full each sending queue is; it lies on disk.",
            act="A queue that fills: its store is away or too slow. At 100% senders wait.",
        ),
        *(panels.timeseries(
            title, "ops",
            *(prometheus(trouble(counter, of, signal, *by), f"{WORDS[signal]} {legend(*by)}") for signal in SIGNALS),
            width=6, empty=NO_COLLECTOR, steps=limits((0.001, RED)), shows=shows, act=act)
          for title, counter, of, by, shows, act in kinds),
    ]  # fmt: skip


def themselves() -> list[Any]:
    """The collectors as processes, and all that Prometheus scrapes."""
    return [
        panels.timeseries(
            "Memory of collectors", "bytes", prometheus("max by (instance) (otelcol_process_memory_rss)", WHERE), width=6,
            empty=NO_COLLECTOR,
            shows="Resident memory of each collector.",
            act="Near TRAX_MEMORY_MIB it refuses what comes in: raise it together with GOMEMLIMIT.",
        ),
        panels.timeseries(
            "CPU of collectors", "none",
            prometheus(total("rate(otelcol_process_cpu_seconds[$__rate_interval])", "instance"), WHERE), width=6,
            empty=NO_COLLECTOR,
            shows="CPU seconds a second of each collector.",
            act="At one core and more: add a collector. docs/stack.md says what a core carries.",
        ),
        panels.timeseries(
            "Age of collectors", "s", prometheus("max by (instance) (otelcol_process_uptime)", WHERE), width=6,
            empty=NO_COLLECTOR,
            shows="Time since each collector started.",
            act="A saw: it dies and comes back. What waited on disk is sent then.",
        ),
        panels.timeline(
            "Servers of the stack", "none", prometheus("max by (job, instance) (up)", "{{job}} {{instance}}"), width=6,
            empty="Prometheus scrapes no server: see stores/targets",
            mappings=panels.meanings(_0=("down", RED), _1=("up", GREEN)),
            shows="Whether each server of the stack answers Prometheus.",
            act="Start it again; its log says why it ended.",
        ),
    ]  # fmt: skip
