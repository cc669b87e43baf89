"""The command search: trains trials over a space of knobs on all cores, and prints the best."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson

from trainer.cli import terminal
from trainer.cli.configuration import add_config, read_config, read_sets, whole_number
from trainer.cli.spaces import add_space, opened
from trainer.comparison.search.analysis import Found, Trial, changes_of, read_search, run_more, start_search
from trainer.comparison.search.design import MEASURES, PRUNERS, SAMPLERS, SearchDesign, make_search
from trainer.comparison.search.space import corners, parse_space
from trainer.comparison.verdicts import number
from trainer.config import ConfigError
from trainer.export.report.repeat import command
from trainer.foreground.comparing import supervised
from trainer.foreground.interrupts import on_interrupt
from trainer.foreground.own_data import with_file
from trainer.foreground.progress import run_bar
from trainer.foreground.requirements import require_data
from trainer.foreground.searching import follow_search
from trainer.lifecycle.states import SearchState
from trainer.preflight.duration import duration, duration_question, duration_sentence
from trainer.settings import Settings
from trainer.store import COMMAND_LINE

USUAL_TRIALS = 20
MAX_LISTED = 10
"""Trials in the table for people; the line of JSON has all."""


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    search = commands.add_parser("search", help="search knobs for better values, trial by trial")
    add_config(search)
    search.add_argument(
        "--space",
        action="append",
        default=[],
        metavar="KNOB=VALUES",
        help="what to vary: learning_rate=1e-4..1e-1 log, or optimizer=adam,sgd; repeat --space for each knob",
    )
    search.add_argument("--sampler", choices=[*SAMPLERS], default="tpe", help=_listed(SAMPLERS))
    search.add_argument("--pruner", choices=[*PRUNERS], default="none", help=_listed(PRUNERS))
    search.add_argument(
        "--trials",
        type=whole_number,
        metavar="N",
        help=f"how many trials, by default {USUAL_TRIALS}; a grid has as many as it has combinations; with --resume N more",
    )
    search.add_argument(
        "--minutes",
        type=float,
        metavar="N",
        help="begin no further trial once the search was under way for so long; by default there is no limit",
    )
    search.add_argument(
        "--at-once",
        type=whole_number,
        metavar="N",
        help="trials that train at the same time; by default one for each core",
    )
    search.add_argument(
        "--measure", choices=[*MEASURES], default="best_val_loss", help="what the best trial is best in"
    )
    search.add_argument("--title", default="", help="a title for the search")
    add_space(search, "--in-space")
    search.add_argument(
        "--resume",
        type=whole_number,
        metavar="ID",
        help="continue a search; with --trials N, with N more trials",
    )
    search.add_argument("--json", action="store_true", help="print nothing but a line of JSON")
    search.set_defaults(command=search_command)


def search_command(options: argparse.Namespace, settings: Settings) -> int:
    """Trains a new search, or the rest of one."""
    store = opened(options, settings)
    if options.resume is None:
        design = read_design(options, settings)
        if not options.json:
            estimate = duration(duration_question(corners(design.space, design.base)), settings)
            print(duration_sentence(estimate, design.trials, design.at_once), file=sys.stderr)
        search_id = start_search(store, design, COMMAND_LINE, options.title)
    else:
        search_id = options.resume
        found = read_search(store, search_id)  # raises where there is none
        if options.trials is not None:
            run_more(store, found, options.trials, options.minutes, by=COMMAND_LINE)
        elif options.minutes is not None:
            raise ConfigError("--minutes limits new trials; give --trials N as well, for N more.")
        else:
            store.continue_search(search_id, by=COMMAND_LINE)
    if not options.json:
        print(
            f"Search {search_id}. Ctrl-C stops it; python -m trainer search --resume {search_id} continues it.",
            file=sys.stderr,
        )
    with (
        on_interrupt(partial(store.stop_search, search_id, by=COMMAND_LINE), (signal.SIGINT, signal.SIGTERM)),
        supervised(store),
        run_bar(not options.json and sys.stderr.isatty()) as show,
    ):
        follow_search(store, search_id, show)
    found = read_search(store, search_id)
    if not options.json:
        print(text(found), file=sys.stderr)
    print(orjson.dumps(outcome(found), option=orjson.OPT_NON_STR_KEYS).decode())
    if found.state is SearchState.STOPPED:
        return 130
    return 0 if found.state is SearchState.FINISHED else 1


def read_design(options: argparse.Namespace, settings: Settings) -> SearchDesign:
    """Returns the search that the options ask for. Raises ConfigError, and DataError where data is missing."""
    base = read_config(options.config).changed(with_file(read_sets(options.set, options.seed), settings))
    require_data(base, settings)
    return make_search(
        base=base,
        space=parse_space(options.space, base),
        sampler=options.sampler,
        pruner=options.pruner,
        trials=USUAL_TRIALS if options.trials is None else options.trials,
        minutes=options.minutes,
        at_once=options.at_once or settings.max_workers,
        measure=options.measure,
    )


def text(found: Found) -> str:
    """Returns the best trials, what mattered, and how to compare the winner."""
    lines = [found.in_words + (". Its time is over" if found.time_is_over else "")]
    if found.best is None:
        return "\n".join(lines)
    sign = 1 if found.measure.lower_is_better else -1
    ranked = sorted(found.complete, key=lambda one: sign * (one.value or 0.0))
    rows = [["trial", "run", found.measure.label, "knobs"]]
    rows += [
        [
            str(one.number + 1),
            str(one.run.id) if one.run else "–",
            number(one.value or 0.0),
            changes_of(one, found),
        ]
        for one in ranked[:MAX_LISTED]
    ]
    lines += ["", terminal.columns(rows)]
    if found.importance:
        shares = ", ".join(f"{key} {share:.0%}" for key, share in found.importance.items())
        lines += ["", f"How much each knob mattered: {shares}"]
    if found.confirmation:
        lines += ["", f"{found.luck} Compare it with the baseline over fresh seeds:"]
        lines += [command(found.confirmation) or "Compare the winner with the baseline on its page."]
    return "\n".join(lines)


def outcome(found: Found) -> dict[str, Any]:
    """Returns the line of JSON."""
    return {
        "search": found.comparison.id,
        "title": found.comparison.title,
        "state": str(found.state),
        "error": found.comparison.error,
        "measure": found.design.measure,
        "lower_is_better": found.measure.lower_is_better,
        "best": _plain(found.best) if found.best else None,
        "importance": found.importance,
        "trials": [_plain(one) for one in found.trials],
    }


def _plain(trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial.number + 1,
        "run": trial.run.id if trial.run else None,
        "state": trial.state,
        "value": trial.value,
        "knobs": trial.knobs,
        "reason": trial.said,
    }


def _listed(choices: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {words}" for name, words in choices.items())
