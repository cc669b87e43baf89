"""The live charts as the browser gets them, from the metrics that they draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.metrics.charts import Chart
from trainer.metrics.registry import KINDS, Metric, metrics


def chart_specs(**changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns what the browser needs to draw each live chart, as JSON values, in the order in which charts are declared.

    `changes` by chart name replace what was declared: the title of "metric" depends on the task of the runs shown.
    """
    members: dict[Chart, list[Metric]] = {}
    for kind in KINDS:
        for one in metrics(kind).values():
            if one.chart:
                members.setdefault(one.chart, []).append(one)
    specs = [_spec(chart, members[chart]) for chart in sorted(members, key=lambda chart: chart.place)]
    return [{**spec, **changes.get(spec["name"], {})} for spec in specs]


def _spec(chart: Chart, members: list[Metric]) -> dict[str, Any]:
    first = members[0]
    return {
        "name": chart.name or first.name,
        "title": chart.title or first.label,
        "hint": chart.hint or first.help.rstrip("."),
        "unit": first.unit,
        "log": chart.log,
        "percent": chart.percent,
        "planned": chart.planned,
        "clip": chart.clip,
        "ticks": chart.ticks,
        "parts": [_part(one) for one in members],
    }


def _part(one: Metric) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "name": one.name,
        "label": one.part,
        "dashed": one.part == "validation",
        "smoothed": one.smoothed,
        "every": one.every,
    }
