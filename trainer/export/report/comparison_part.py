"""A comparison's part of a report."""

from __future__ import annotations

from trainer.comparison.analysis import Analysis, analyse
from trainer.comparison.design import Design
from trainer.comparison.effects import Curves, read_curves
from trainer.comparison.figure import band_chart
from trainer.comparison.noise import NOT_ADDITIVE
from trainer.comparison.tables import (
    EFFECTS_NOTE,
    Table,
    arms_table,
    effects_table,
    factors_table,
    means_in_words,
    noise_table,
)
from trainer.comparison.verdicts import Claim
from trainer.describe.markup import table_html
from trainer.describe.text import escape_html
from trainer.export.report import repeat
from trainer.export.report.chart import chart_html
from trainer.store import Store


def comparison_title(found: Analysis) -> str:
    """Returns a comparison's title, or its number where it has none."""
    return found.comparison.title or f"Comparison {found.comparison.id}"


def comparison_html(store: Store, comparison_id: int) -> tuple[str, str]:
    """Returns a comparison's title, and its part of the report. Raises StoreError when there is none with this id."""
    found = analyse(store, comparison_id)
    curves = read_curves(store, found)
    title = comparison_title(found)
    parts = [
        f'<h2 dir="auto">{escape_html(title)}</h2>',
        f'<p class="quiet">{escape_html(_facts(found))}</p>',
        f'<p class="notes" dir="auto">{escape_html(found.comparison.notes)}</p>'
        if found.comparison.notes
        else "",
        _verdicts(found),
        *(_noise(found) if found.design.studies_noise else _arms(found, curves)),
        "<h3>How it is judged</h3>",
        *(f"<p>{escape_html(paragraph)}</p>" for paragraph in found.method),
        _repeat(found.design, found.comparison.title),
        "<h3>Configurations</h3>",
        *(configuration(arm.name, arm.config.to_json(2)) for arm in found.design.arms),
    ]
    return title, f"<section>{''.join(parts)}</section>"


def scrolling(table: Table) -> str:
    """Returns a table that scrolls by itself where it is wider than the page, by keyboard too."""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape_html(table.caption)}">'
        f"{table_html(*table)}</div>"
    )


def configuration(name: str, text: str) -> str:
    """Returns a configuration that opens on a click."""
    return f'<details><summary dir="auto">{escape_html(name)}</summary>{_code(text)}</details>'


def _code(text: str) -> str:
    return f'<pre tabindex="0">{escape_html(text)}</pre>'


def _facts(found: Analysis) -> str:
    seeds = ", ".join(map(str, found.design.seeds))
    return (
        f"Comparison {found.comparison.id} of {found.comparison.created:%d %B %Y}. {found.over} of {found.total} runs over. "
        f"Compared by {found.measure.label}. Seeds {seeds}."
    )


def _arms(found: Analysis, curves: Curves) -> list[str]:
    return [
        _chart(found, curves),
        scrolling(factors_table(found)) if found.effects else "",
        scrolling(arms_table(found)),
        scrolling(effects_table(found, curves)),
        f'<p class="quiet">{escape_html(EFFECTS_NOTE)}</p>',
    ]


def _noise(found: Analysis) -> list[str]:
    return [scrolling(noise_table(found)), f'<p class="quiet">{escape_html(NOT_ADDITIVE)}</p>']


def _verdicts(found: Analysis) -> str:
    claims = [verdict.claim for verdict in found.verdicts] or [Claim.OPEN] * len(found.sentences)
    items = "".join(
        f'<li class="{claim}" dir="auto">{escape_html(sentence)}</li>'
        for claim, sentence in zip(claims, found.sentences, strict=True)
    )
    return f'<h3>Verdict</h3><ul class="verdicts">{items}</ul>'


def _chart(found: Analysis, curves: Curves) -> str:
    if not any(len(curve) for curve in curves.values()):
        return '<p class="quiet">No epoch has ended yet.</p>'
    return chart_html(
        f"comparison-{found.comparison.id}",
        lambda colors: band_chart(found, curves, colors),
        means_in_words(found),
        "Each arm's mean over its seeds with the 95% interval, and under it the mean difference to the baseline.",
    )


def _repeat(design: Design, title: str) -> str:
    parts = ["<h3>Repeat it</h3>"]
    command, lines = repeat.command(design, title), repeat.python(design)
    if command:
        parts.append(_code(command))
        if not repeat.keeps_names(design):
            parts.append('<p class="quiet">This names the arms by what they change.</p>')
    elif lines:
        parts.append("<p>The command line has no options for this design; Python does:</p>")
        parts.append(_code(lines))
    else:
        parts.append(
            "<p>Two arms of this design are alike, which a new comparison refuses. Its configurations are below.</p>"
        )
    if "file" in design.baseline.config.data.knobs:
        parts.append(
            '<p class="quiet">The data set is an uploaded file, named by the digest of its content. Where it is not uploaded, '
            "give data.file the path of the file.</p>"
        )
    return "".join(parts)
