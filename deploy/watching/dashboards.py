"""The Grafana dashboards, built with Grafana's own SDK."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_SERVICE = 'service=~"$service"'
_R = "[$__rate_interval]"


@dataclass(frozen=True)
class Panel:
    """One panel: its title, unit, and queries by legend."""

    title: str
    unit: str
    queries: dict[str, str]


@dataclass(frozen=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    panels: Sequence[Panel]
    by_service: bool = False  # whether a service is chosen at its top


def _quantiles(metric: str, by: str = "", where: str = "") -> dict[str, str]:
    """Median, 95th and 99th percentile of a histogram."""
    grouped = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return {
        f"p{percent}{legend}": (
            f"histogram_quantile({percent / 100}, sum by ({grouped}) (rate({metric}_bucket{{{where}}}{_R})))"
        )
        for percent in (50, 95, 99)
    }


def _by(metric: str, label: str, where: str = "") -> dict[str, str]:
    """Rate of a counter by one label."""
    return {f"{{{{{label}}}}}": f"sum by ({label}) (rate({metric}{{{where}}}{_R}))"}


def _share(bad: str, every: str) -> str:
    return f"(sum(rate({bad}{_R})) or vector(0)) / sum(rate({every}{_R}))"


BOARDS = (
    Board(
        "parley-overview",
        "Parley: overview",
        (
            Panel("Turns answered a second", "reqps", {"answered": f"sum(rate(parley_turn_seconds_count{_R}))"}),
            Panel("Time to the final reply", "s", _quantiles("parley_turn_seconds")),
            Panel(
                "Objectives: share missed, last hour",
                "percentunit",
                {
                    "later than 1.5 s": "parley:latency_errors:ratio_rate1h",
                    "not answered": "parley:availability_errors:ratio_rate1h",
                    "tasks not done": "parley:task_errors:ratio_rate1h",
                },
            ),
            Panel(
                "Turns taken in and refused a second",
                "reqps",
                _by("parley_turns_accepted_total", "content")
                | {"refused": f"sum(rate(parley_turns_refused_total{_R})) or vector(0)"},
            ),
            Panel(
                "Turns driven again and given up",
                "ops",
                {
                    "driven again": f"sum(rate(parley_turns_driven_again_total{_R}))",
                    "given up": f"sum(rate(parley_turns_given_up_total{_R}))",
                },
            ),
            Panel("Replicas ready", "short", {"{{service}}": "sum by (service) (parley_service_ready)"}),
            Panel("Tasks a second", "ops", _by("parley_task_results_total", "outcome")),
            Panel("Streams open", "short", {"{{kind}}": "sum by (kind) (parley_gateway_streams)"}),
        ),
    ),
    Board(
        "parley-road",
        "Parley: the road by stage",
        (
            Panel("Turns a second", "ops", _by("parley_stage_seconds_count", "stage")),
            Panel("Time in a stage", "s", _quantiles("parley_stage_seconds", "stage")),
            Panel("Wait in the process", "s", _quantiles("parley_event_wait_seconds", "service")),
            Panel("Events by how they ended", "ops", _by("parley_events_total", "outcome")),
            Panel("Events a second", "ops", _by("parley_events_total", "service")),
            Panel("Lag", "short", {"{{topic}}": "sum by (topic) (parley_consumer_lag_events)"}),
            Panel("Fetched and waiting", "short", {"{{service}}": "sum by (service) (parley_lane_waiting_events)"}),
            Panel("Dead letters", "ops", _by("parley_dead_letters_total", "service")),
            Panel("Heard or typed", "ops", _by("parley_transcripts_total", "outcome")),
            Panel("Said", "ops", _by("parley_dialogue_acts_total", "act")),
            Panel("Replies", "ops", _by("parley_replies_total", "kind")),
        ),
    ),
    Board(
        "parley-service",
        "Parley: one service",
        (
            Panel("Events a second", "ops", _by("parley_events_total", "topic", _SERVICE)),
            Panel(
                "Share of events that did not succeed",
                "percentunit",
                {
                    "not handled": _share(
                        f'parley_events_total{{{_SERVICE}, outcome!~"handled|seen"}}',
                        f"parley_events_total{{{_SERVICE}}}",
                    )
                },
            ),
            Panel("Time of a handler", "s", _quantiles("parley_event_handle_seconds", where=_SERVICE)),
            Panel("Wait in the process", "s", _quantiles("parley_event_wait_seconds", where=_SERVICE)),
            Panel(
                "Tried again",
                "ops",
                {"retries": f"sum(rate(parley_event_retries_total{{{_SERVICE}}}{_R})) or vector(0)"},
            ),
            Panel(
                "Oldest event not sent",
                "s",
                {"{{service}}": f"max by (service) (parley_outbox_age_seconds{{{_SERVICE}}})"},
            ),
            Panel(
                "Sent by the relay after a crash",
                "ops",
                {"relayed": f"sum(rate(parley_outbox_relayed_total{{{_SERVICE}}}{_R})) or vector(0)"},
            ),
            Panel("RPCs a second", "reqps", _by("parley_rpc_seconds_count", "method")),
            Panel("Time of an RPC", "s", _quantiles("parley_rpc_seconds", "method")),
            Panel("Memory", "bytes", {"{{instance}}": 'process_resident_memory_bytes{job=~".*parley.*"}'}),
            Panel("Cores used", "short", {"{{instance}}": f'rate(process_cpu_seconds_total{{job=~".*parley.*"}}{_R})'}),
        ),
        by_service=True,
    ),
    Board(
        "parley-models",
        "Parley: models",
        (
            Panel("Turns by model", "ops", _by("parley_stage_seconds_count", "model", 'model!="none"')),
            Panel("Time by model", "s", _quantiles("parley_stage_seconds", "model", 'model!="none"')),
            Panel("Time of an engine call", "s", _quantiles("parley_engine_seconds", "engine")),
            Panel(
                "Requests in one engine call",
                "short",
                {
                    "{{engine}}": (
                        f"sum by (engine) (rate(parley_engine_batch_size_sum{_R})) "
                        f"/ sum by (engine) (rate(parley_engine_batch_size_count{_R}))"
                    )
                },
            ),
            Panel("Waiting for an engine", "short", {"{{engine}}": "sum by (engine) (parley_engine_waiting_requests)"}),
            Panel("Confidence", "percentunit", _quantiles("parley_understanding_confidence", "language")),
            Panel("Decided by", "ops", _by("parley_understanding_confidence_count", "decided_by")),
            Panel(
                "Share out of scope",
                "percentunit",
                {"out of scope": _share('parley_understandings_total{scope="out"}', "parley_understandings_total")},
            ),
            Panel(
                "Share handed to a person",
                "percentunit",
                {
                    "handed over": _share(
                        'parley_task_results_total{action="tickets.hand_off"}', "parley_turn_seconds_count"
                    )
                },
            ),
            Panel("Found in the documents", "ops", _by("parley_evidence_total", "found")),
        ),
    ),
    Board(
        "parley-kafka",
        "Parley: Kafka",
        (
            Panel("Lag as the services see it", "short", {"{{group}}": "sum by (group) (parley_consumer_lag_events)"}),
            Panel(
                "Lag as the broker sees it",
                "short",
                {"{{consumergroup}}": "sum by (consumergroup) (kafka_consumergroup_lag)"},
            ),
            Panel(
                "Written a second",
                "ops",
                {"{{topic}}": f"sum by (topic) (rate(kafka_topic_partition_current_offset{_R}))"},
            ),
            Panel(
                "Members of a group",
                "short",
                {"{{consumergroup}}": "max by (consumergroup) (kafka_consumergroup_members)"},
            ),
            Panel(
                "Partitions under-replicated",
                "short",
                {"partitions": "sum(kafka_topic_partition_under_replicated_partition)"},
            ),
            Panel("Brokers", "short", {"brokers": "max(kafka_brokers)"}),
        ),
    ),
)


def rendered(board: Board) -> str:
    """The JSON Grafana takes."""
    builder = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .tags(["parley"])
        .refresh("30s")
        .time("now-1h", "now")
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
    )
    if board.by_service:
        chosen = (
            dashboard.QueryVariable("service").datasource(_SOURCE).query("label_values(parley_service_ready, service)")
        )
        builder = builder.with_variable(chosen.multi(True).include_all(True).all_value(".*"))
    for panel in board.panels:
        built = timeseries.Panel().title(panel.title).unit(panel.unit).datasource(_SOURCE).min(0).height(8).span(12)
        for number, (legend, expr) in enumerate(panel.queries.items()):
            query = prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(chr(ord("A") + number))
            built = built.with_target(query)
        builder = builder.with_panel(built)
    return str(JSONEncoder(sort_keys=True, indent=2).encode(builder.build())) + "\n"
