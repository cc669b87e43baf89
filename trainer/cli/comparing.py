"""The command compare: trains the arms of a comparison on all cores, and prints the verdicts."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, get_args

import orjson

from trainer.choice import unknown
from trainer.cli import terminal
from trainer.cli.configuration import add_config, read_config, read_sets, whole_number
from trainer.cli.spaces import add_space, opened
from trainer.comparison import analysis
from trainer.comparison.analysis import Analysis, analyse
from trainer.comparison.design import EVERYTHING, VARIED, Design, Unit, make_design
from trainer.comparison.factors import LAYOUTS, combined_design, title_of
from trainer.comparison.noise import NOT_ADDITIVE, noise_design, noise_title, share
from trainer.comparison.readings import READINGS
from trainer.comparison.verdicts import number
from trainer.config import ConfigError, RunConfig
from trainer.foreground.comparing import follow, require_trainable, supervised
from trainer.foreground.interrupts import on_interrupt
from trainer.foreground.own_data import with_file
from trainer.foreground.progress import run_bar
from trainer.formatting import format_bytes
from trainer.lifecycle.requests import RequestKind
from trainer.preflight.duration import duration, duration_question, duration_sentence
from trainer.presets import PRESETS, find_preset
from trainer.processes.mates import planned_share
from trainer.settings import Settings
from trainer.store import COMMAND_LINE


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    compare = commands.add_parser(
        "compare", help="train several configurations with several seeds each, and say which is better"
    )
    add_config(compare)
    compare.add_argument("--preset", metavar="NAME", help=f"a ready-made comparison: {', '.join(PRESETS)}")
    compare.add_argument(
        "--arm",
        action="append",
        nargs="+",
        default=[],
        metavar="KNOB=VALUE",  # an arm's name with --noise --preset
        help="the knobs that an arm changes from the baseline; repeat --arm for each arm",
    )
    compare.add_argument(
        "--layout",
        choices=[*LAYOUTS],
        default="alone",
        help="how the changes of several --arm are combined: "
        + "; ".join(f"{name}: {words}" for name, words in LAYOUTS.items()),
    )
    compare.add_argument(
        "--seeds",
        type=whole_number,
        metavar="N",
        help="runs for each arm; by default as many as can show an effect",
    )
    compare.add_argument(
        "--vary",
        choices=[*VARIED],
        default=EVERYTHING,
        help="what differs between the runs of an arm; a verdict over initial weights alone holds for their one split",
    )
    compare.add_argument(
        "--noise",
        action="store_true",
        help="train one configuration instead of arms, and say how much of its noise comes from the split, initial weights, "
        "batch order and dropout; that of the baseline, or of the one --arm, which of a preset is given by name",
    )
    compare.add_argument(
        "--measure",
        choices=[*READINGS],
        help="what the arms are compared by; a preset has its own, else best_val_loss",
    )
    compare.add_argument(
        "--margin",
        type=float,
        default=0.0,
        metavar="SIZE",
        help="the largest difference that does not matter",
    )
    compare.add_argument(
        "--until",
        type=float,
        metavar="N",
        help="compare after N epochs (or other units, see --unit) instead of at the end",
    )
    compare.add_argument("--unit", choices=get_args(Unit), default="epochs", help="what --until counts")
    compare.add_argument("--title", default="", help="a title for the comparison")
    add_space(compare)
    compare.add_argument(
        "--resume",
        type=whole_number,
        metavar="ID",
        help="continue a comparison; with --seeds N, with N more seeds",
    )
    compare.add_argument("--json", action="store_true", help="print nothing but a line of JSON")
    compare.set_defaults(command=compare_command)


def compare_command(options: argparse.Namespace, settings: Settings) -> int:
    """Trains a new comparison, or the rest of one."""
    store = opened(options, settings)
    if options.resume is None:
        design, title = read_design(options, settings)
        if not options.json:
            print(expectation(design, settings), file=sys.stderr)
        comparison_id = analysis.start(store, design, COMMAND_LINE, options.title or title)
    else:
        comparison_id = options.resume
        analysis.design_of(store.comparison(comparison_id))  # raises where there is none, and for a search
        if options.seeds is not None:
            analysis.add_seeds(store, comparison_id, options.seeds, by=COMMAND_LINE)
        store.resume_all(comparison_id, by=COMMAND_LINE)
    if not options.json:
        print(
            f"Comparison {comparison_id}. Ctrl-C pauses it; "
            f"python -m trainer compare --resume {comparison_id} continues it.",
            file=sys.stderr,
        )
    pause = partial(store.request_all, comparison_id, RequestKind.PAUSE, by=COMMAND_LINE)
    with (
        on_interrupt(pause, (signal.SIGINT, signal.SIGTERM)),
        supervised(store),
        run_bar(not options.json and sys.stderr.isatty()) as show,
    ):
        done = follow(store, comparison_id, show)
    found = analyse(store, comparison_id)
    if not options.json:
        print(text(found), file=sys.stderr)
    print(orjson.dumps(outcome(found), option=orjson.OPT_SERIALIZE_NUMPY).decode())
    return 0 if done else 130


def read_design(options: argparse.Namespace, settings: Settings) -> tuple[Design, str]:
    """Returns the design that the options ask for, and its title. Raises ConfigError, and DataError where data is missing."""
    sets = with_file(read_sets(options.set, options.seed), settings)
    if options.noise and (len(options.arm) > 1 or options.vary != EVERYTHING):
        raise ConfigError(
            "--noise trains one configuration, and varies each source in turn; give at most one --arm, and leave out --vary."
        )
    preset = find_preset(options.preset) if options.preset else None
    choices = {
        "measure": options.measure or (preset.measure if preset else "best_val_loss"),
        "margin": options.margin,
        "until": options.until,
        "unit": options.unit,
    }
    if preset:
        if options.config or (options.arm and not options.noise):
            raise ConfigError("--preset has arms of its own; leave out CONFIG.json and --arm.")
        arms = {name: config.changed(sets) for name, config in preset.configs().items()}
        baseline, title = next(iter(arms.values())), preset.label
    else:
        baseline, title = read_config(options.config).changed(sets), ""
    if options.noise:
        if options.arm and preset:
            name = _arm_of(arms, " ".join(options.arm[0]))
            baseline, title = arms[name], f"{title}, {name}"
        elif options.arm:
            baseline = baseline.changed(with_file(read_sets(options.arm[0], None), settings))
        design, title = noise_design(baseline, options.seeds, **choices), noise_title(title)
    elif preset:
        design = make_design(arms, options.seeds, options.vary, **choices)
    else:
        changed = [baseline.changed(with_file(read_sets(arm, None), settings)) for arm in options.arm]
        design = combined_design(
            baseline, changed, options.layout, options.seeds, vary=options.vary, **choices
        )
        title = title_of(design)
    require_trainable(design, settings)
    return design, title


def _arm_of(arms: Mapping[str, RunConfig], name: str) -> str:
    """Returns the name. Raises ConfigError where no arm has it."""
    if name not in arms:
        raise ConfigError(unknown("arm", name, arms))
    return name


def expectation(design: Design, settings: Settings) -> str:
    """Returns how long the comparison will take, from a moment of training."""
    together = planned_share(design, settings.max_workers)
    question = duration_question([arm.config for arm in design.arms], together)
    return duration_sentence(duration(question, settings), design.runs, settings.max_workers)


def text(found: Analysis) -> str:
    """Returns the table of arms and the verdicts, or of the sources of noise."""
    if found.design.studies_noise:
        return "\n".join([terminal.columns(noise_rows(found)), "", found.sentences[0], NOT_ADDITIVE])
    rows = [["arm", "runs", found.measure.label, "s/run", "steps/s", "parameters", "peak memory"]]
    rows += [
        [
            arm.name,
            str(len(arm.outcomes)),
            number(arm.mean),
            number(arm.seconds),
            number(arm.steps_per_second),
            f"{arm.parameters:,}" if arm.parameters else "–",
            format_bytes(arm.peak_memory),
        ]
        for arm in found.arms
    ]
    parts = [terminal.columns(rows), "", *found.sentences]
    if found.effects:
        parts += ["", terminal.columns(effect_rows(found))]
    return "\n".join(parts)


def effect_rows(found: Analysis) -> list[list[str]]:
    """Returns a row for each technique of a factorial design, and for each pair."""
    rows = [["effect", found.measure.label, "95% interval", "", "s/run"]]
    for one in found.effects:
        interval = f"{number(one.verdict.low)} to {number(one.verdict.high)}"
        rows.append([one.label, number(one.verdict.effect), interval, one.words, number(one.seconds)])
    return rows


def noise_rows(found: Analysis) -> list[list[str]]:
    """Returns a row for each source of noise."""
    rows = [["varied", "runs", "diverged", "standard deviation", "from", "to", "of variance", "s/run"]]
    for arm in found.arms:
        one = arm.spread
        part = "100%" if arm is found.arms[0] else str(share(one, found.arms[0].spread))
        sizes = map(number, [one.deviation, one.low, one.high])
        rows.append([arm.name, str(one.count), str(one.diverged), *sizes, part, number(arm.seconds)])
    return rows


def outcome(found: Analysis) -> dict[str, Any]:
    """Returns the line of JSON. Numbers that are not finite become null."""
    return {
        "comparison": found.comparison.id,
        "title": found.comparison.title,
        "measure": found.measure,
        "seeds": found.design.seeds,
        **({} if found.design.vary == EVERYTHING else {"vary": found.design.vary}),
        "runs": {str(state): count for state, count in found.states.items()},
        "arms": [
            {
                "name": arm.name,
                "changes": arm.changes,
                "mean": arm.mean,
                "values": {
                    str(found.design.seeds[one]): measured.value for one, measured in arm.outcomes.items()
                },
                "run_ids": [run.id for run in arm.runs.values()],
                "verdict": arm.verdict,
                "sentence": arm.sentence,
                **(
                    {
                        "spread": arm.spread,
                        "share_of_variance": share(arm.spread, found.arms[0].spread)._asdict(),
                    }
                    if found.design.studies_noise
                    else {}
                ),
            }
            for arm in found.arms
        ],
        "effects": [
            {"techniques": one.names, "verdict": one.verdict, "seconds": one.seconds} for one in found.effects
        ],
        **({"sentence": found.sentences[0]} if found.design.studies_noise else {}),
    }
