"""The command compare: trains the arms of a comparison on all cores, and prints the verdicts."""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, get_args

import orjson
from tqdm import tqdm

from trainer.cli import terminal
from trainer.cli.configuration import add_config, read_config, read_sets, require_data, whole_number
from trainer.cli.own_data import with_file
from trainer.comparison import analysis
from trainer.comparison.analysis import Analysis, analyse
from trainer.comparison.design import Design, Unit, make_design, named_arms
from trainer.comparison.readings import READINGS
from trainer.config import ConfigError
from trainer.formatting import format_bytes
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState
from trainer.presets import PRESETS, find_preset
from trainer.settings import Settings
from trainer.store import COMMAND_LINE, MAX_LENGTHS, Store

POLL: Final = 0.2
"""Seconds between two polls of the runs."""
SUPERVISOR_STOP_SECONDS: Final = 30


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
        metavar="KNOB=VALUE",
        help="the knobs that an arm changes from the baseline; repeat --arm for each arm",
    )
    compare.add_argument(
        "--seeds",
        type=whole_number,
        metavar="N",
        help="runs for each arm; by default as many as can show an effect",
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
    store = Store(settings.url)
    if options.resume is None:
        design, title = read_design(options, settings)
        comparison_id = analysis.start(store, design, COMMAND_LINE, options.title or title)
    else:
        comparison_id = options.resume
        store.comparison(comparison_id)  # raises where there is none
        if options.seeds is not None:
            analysis.add_seeds(store, comparison_id, options.seeds, by=COMMAND_LINE)
        store.resume_all(comparison_id, by=COMMAND_LINE)
    if not options.json:
        print(
            f"Comparison {comparison_id}. Ctrl-C pauses it; "
            f"python -m trainer compare --resume {comparison_id} continues it.",
            file=sys.stderr,
        )
    with supervised(store):
        done = wait(store, comparison_id, quiet=options.json)
    found = analyse(store, comparison_id)
    if not options.json:
        print(text(found), file=sys.stderr)
    print(orjson.dumps(outcome(found), option=orjson.OPT_SERIALIZE_NUMPY).decode())
    return 0 if done else 130


def read_design(options: argparse.Namespace, settings: Settings) -> tuple[Design, str]:
    """Returns the design that the options ask for, and its title. Raises ConfigError, and DataError where data is missing."""
    sets = with_file(read_sets(options.set, options.seed), settings)
    measure = "best_val_loss"
    if options.preset:
        if options.config or options.arm:
            raise ConfigError("--preset has arms of its own; leave out CONFIG.json and --arm.")
        preset = find_preset(options.preset)
        arms = {name: config.changed(sets) for name, config in preset.configs().items()}
        title, measure = preset.label, preset.measure
    else:
        baseline = read_config(options.config).changed(sets)
        changed = [baseline.changed(with_file(read_sets(arm, None), settings)) for arm in options.arm]
        if len({one.to_json() for one in [baseline, *changed]}) <= len(changed):
            raise ConfigError("Two arms are alike; give each arm a different change from the baseline.")
        arms = named_arms(baseline, changed)
        title = " / ".join(list(arms)[1:])[: MAX_LENGTHS["name"]]
    for config in arms.values():
        require_data(config, settings)
    design = make_design(
        arms,
        options.seeds,
        measure=options.measure or measure,
        margin=options.margin,
        until=options.until,
        unit=options.unit,
    )
    return design, title


@contextmanager
def supervised(store: Store) -> Iterator[None]:
    """Runs a supervisor for as long as the context, unless one serves the database already. At the end its workers save and
    leave."""
    if store.supervisor_status() != "absent":
        yield
        return
    command = [sys.executable, "-m", "trainer.processes.supervisor", "--server", str(os.getpid())]
    with subprocess.Popen(  # noqa: S603 our own program
        command,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for this process, which pauses the runs first
    ) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(SUPERVISOR_STOP_SECONDS)


def wait(store: Store, comparison_id: int, quiet: bool) -> bool:
    """Waits until every run is over, with a progress bar on a terminal. Returns False when it was interrupted: then the runs are
    paused."""
    interrupted = False

    def interrupt(*_: Any) -> None:
        nonlocal interrupted
        if interrupted:
            os._exit(130)
        interrupted = True
        store.request_all(comparison_id, RequestKind.PAUSE, by=COMMAND_LINE)

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    with tqdm(unit="run", dynamic_ncols=True, leave=False, disable=quiet or not sys.stderr.isatty()) as bar:
        while True:
            runs = [one.run for one in store.members(comparison_id)]
            bar.total = len(runs)
            bar.update(sum(run.is_over for run in runs) - bar.n)
            if all(run.is_over for run in runs):
                return True
            if interrupted and not any(run.status is RunState.RUNNING for run in runs):
                return False
            time.sleep(POLL)


def text(found: Analysis) -> str:
    """Returns the table of arms and the verdicts."""
    rows = [["arm", "runs", found.measure.label, "s/run", "steps/s", "parameters", "peak memory"]]
    rows += [
        [
            arm.name,
            str(len(arm.outcomes)),
            number(arm.mean),
            number(arm.seconds),
            number(arm.steps_per_second),
            f"{arm.parameters:,}" if arm.parameters else "–",
            format_bytes(arm.peak_memory) if math.isfinite(arm.peak_memory) else "–",
        ]
        for arm in found.arms
    ]
    return "\n".join([terminal.columns(rows), "", *(arm.sentence for arm in found.arms[1:])])


def number(value: float) -> str:
    """Returns three digits, or a dash for NaN."""
    return f"{value:.3g}" if math.isfinite(value) else "–"


def outcome(found: Analysis) -> dict[str, Any]:
    """Returns the line of JSON. Numbers that are not finite become null."""
    return {
        "comparison": found.comparison.id,
        "title": found.comparison.title,
        "measure": found.measure,
        "seeds": found.design.seeds,
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
            }
            for arm in found.arms
        ],
    }
