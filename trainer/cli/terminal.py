"""What the command line prints for people: progress bars, tables and summaries."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from trainer.config import diff
from trainer.describe.figures import FINAL, weights_at_end
from trainer.describe.labels import differences_of
from trainer.diagnosis import Evidence, Finding, evidence_label, judged_since
from trainer.engine.kept import Kept
from trainer.formatting import format_bytes, format_duration, format_number
from trainer.lifecycle.states import RunState
from trainer.preflight.findings import observations, short
from trainer.processes.waiting import Turn
from trainer.store import Run


@contextmanager
def byte_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Draws a bar of bytes, and yields the function to call with (done, total)."""
    with tqdm(unit="B", unit_scale=True, desc=name, disable=not sys.stderr.isatty()) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


def summary(run: Run) -> str:
    """Returns how a run ended, in a few lines."""
    results = run.results
    if results is None or run.status is RunState.FAILED:
        return f"Run {run.id} {run.status}" + (f": {run.error}" if run.error else "")
    lines = [
        f"Run {run.id} {run.status} by {results['stopped_by'].replace('_', ' ')} after {results['epochs']} epochs, "
        f"{results['steps']} steps, {format_duration(results['seconds'])} ({results['steps_per_second']:.0f} steps/s, "
        f"{results['device']}, {results['precision']}, {results['parameters']:,} parameters)"
    ]
    end = weights_at_end(results)
    weights = {"train": "over the last epoch", "validation": end, "test": end}
    lines += [
        f"  {part:10} loss {format_number(results[part]['loss'])}   {results['metric']} "
        f"{format_number(results[part]['metric'])}   ({of})"
        for part, of in weights.items()
    ]
    if (best := results["best"]) and end == FINAL:
        lines.append(
            f"  {'validation':10} loss {format_number(best['val_loss'])}   {results['metric']} "
            f"{format_number(best.get('val_metric'))}   (best epoch {best['epoch']:.0f})"
        )
    return "\n".join([*lines, *(f"  {notice}" for notice in run.notices)])


def run_table(runs: Sequence[Run], turns: Mapping[int, Turn]) -> str:
    """Returns a line for each run: id, state, validation loss, what differs from the defaults, name; of a queued one also its
    turn."""
    if not runs:
        return "No runs yet. Start one with: python -m trainer run"
    rows = [["id", "status", "steps", "val loss", "differs from the defaults", "name"]]
    for run in runs:
        best = (run.results or {}).get("best") or {}
        steps = str(run.progress.get("step", ""))
        rows.append(
            [
                str(run.id),
                f"{run.status} ({turns[run.id]})" if run.id in turns else run.status,
                steps,
                format_number(best.get("val_loss")),
                str(differences_of(run)),
                run.name,
            ]
        )
    return columns(rows)


def checkpoint_table(found: Sequence[Kept]) -> str:
    """Returns a line for each checkpoint: step, epochs finished, why it is kept, and its size."""
    if not found:
        return "No checkpoints to branch from yet."
    rows = [["step", "epoch", "kept as", "size"]]
    rows += [
        [str(one.step), str(one.epoch), ", ".join(one.reasons), format_bytes(one.bytes)] for one in found
    ]
    return columns(rows)


def diagnosis(run: Run, evidence: Evidence | None, found: Sequence[Finding]) -> str:
    """Returns each finding with its evidence and its fix."""
    if evidence is None:
        return f"Run {run.id} is not judged: a probe, slow motion, or knobs that this version cannot read."
    if not found and evidence.since and evidence.long_enough:
        return f"Run {run.id}: {judged_since(evidence.since)}"
    if not found:
        return f"Run {run.id}: " + ("no problems found." if evidence.long_enough else "too short to tell.")
    parts = []
    for finding in found:
        changes = diff(evidence.config, evidence.config.changed(finding.fix))
        items = [f"  - {evidence_label(item, evidence.config)}: {item.text}" for item in finding.evidence]
        fix = f"  Fix: {', '.join(map(str, changes))}"
        parts.append("\n".join([f"{finding.title}. {' '.join(finding.sentences)}", *items, fix]))
    return "\n\n".join(parts)


def knob_table(entries: Sequence[Mapping[str, Any]]) -> str:
    """Returns the knobs as an aligned table."""
    rows = [["knob", "default", "allowed", "meaning"]]
    for entry in entries:
        allowed = entry["allowed"]
        allowed = allowed if isinstance(allowed, str) else ", ".join(allowed)
        when = f" [{entry['when']}]" if "when" in entry else ""
        default = "–" if entry["default"] is None else str(entry["default"])
        rows.append([entry["knob"], default, allowed, f"{entry['label']}: {entry['help']}{when}"])
    return columns(rows)


def columns(rows: Sequence[Sequence[str]], widest: int = 40) -> str:
    """Returns rows as aligned columns; a cell wider than `widest` does not move the others. Drops control characters."""
    clean = [["".join(sign for sign in cell if sign.isprintable()) for cell in row] for row in rows]
    widths = [min(widest, max(map(len, column))) for column in zip(*clean, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in clean
    )


def before_text(answer: Mapping[str, Any]) -> str:
    """Returns what `inspect` found, as text."""
    lines = [f"{'ok   ' if one.good else 'check'}  {one.text}" for one in observations(answer)]
    lines += ["", f"{'Activations after':40} {'mean':>10} {'std':>10} {'zero':>6}"]
    lines += [
        f"{one['layer']:40} {short(one['mean']):>10} {short(one['std']):>10} {100 * one['zero']:5.0f}%"
        for one in answer["activations"]
    ]
    lines += ["", f"{'Layer':40} {'parameters':>10} {'gradient':>10} {'weights':>8}"]
    lines += [
        f"{one['layer']:40} {one['parameters']:10,} {short(one['grad_norm']):>10} {short(one['weight_norm']):>8}"
        for one in answer["gradients"]
    ]
    lines += ["", f"{'Memory':40} {'weights':>10} {'gradients':>10} {'optimizer':>10} {'activations':>12}"]
    for one in answer["memory"]["precisions"]:
        sizes = [format_bytes(one[name]) for name in ("weights", "gradients", "optimizer", "activations")]
        label = one["label"] + (" (chosen)" if one["chosen"] else "")
        lines.append(f"{label:40} {sizes[0]:>10} {sizes[1]:>10} {sizes[2]:>10} {sizes[3]:>12}")
    return "\n".join([*lines, "", *answer["notices"]]).rstrip()
