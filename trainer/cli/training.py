"""Commands about runs: run, resume, stop, change, mark, checkpoints, branch, runs."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import orjson

from trainer.cli import terminal
from trainer.cli.configuration import add_config, read_config, read_sets, whole_number
from trainer.cli.spaces import add_space, opened
from trainer.config import ConfigError, RunConfig
from trainer.describe.figures import weights_at_end
from trainer.engine.build import require_start
from trainer.engine.kept import kept
from trainer.foreground.own_data import with_file
from trainer.foreground.requirements import require_data
from trainer.foreground.training import UnrecordedError, claim_again, reap_dead_worker, train_here
from trainer.lifecycle.hot_knobs import KnobChange, applied_changes
from trainer.lifecycle.requests import Request, RequestKind
from trainer.lifecycle.states import RunState
from trainer.presets import PRESETS, find_preset
from trainer.processes.branching import branch
from trainer.processes.changes import request_change
from trainer.processes.control import Control
from trainer.processes.waiting import sharing_of, turns
from trainer.settings import Settings
from trainer.store import COMMAND_LINE, Run, Store


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds these commands."""
    run = commands.add_parser(
        "run", help="train one configuration here and print its results as a line of JSON"
    )
    add_config(run)
    run.add_argument("--preset", metavar="NAME", help=f"a ready-made comparison: {', '.join(PRESETS)}")
    run.add_argument("--name", default="", help="a name for the run")
    add_space(run)
    run.add_argument("--json", action="store_true", help="print nothing but the line of JSON")
    run.set_defaults(command=run_command)

    resume = commands.add_parser("resume", help="continue a paused, stopped or failed run here")
    resume.add_argument("id", type=whole_number, metavar="ID")
    resume.add_argument("--json", action="store_true", help="print nothing but the line of JSON")
    resume.set_defaults(command=resume_command)

    stop = commands.add_parser("stop", help="stop a run after its current step")
    stop.add_argument("id", type=whole_number, metavar="ID")
    stop.set_defaults(command=stop_command)

    change = commands.add_parser("change", help="change knobs of a run under way, between two of its steps")
    change.add_argument("id", type=whole_number, metavar="ID")
    change.add_argument(
        "--set",
        action="extend",
        nargs="+",
        required=True,
        metavar="KNOB=VALUE",
        help="learning_rate, batch_size, optimizer.weight_decay, or any of schedule, clipping, dropout, label_smoothing",
    )
    change.set_defaults(command=change_command)

    mark = commands.add_parser("mark", help="keep a checkpoint of a run's next step, to branch from")
    mark.add_argument("id", type=whole_number, metavar="ID")
    mark.set_defaults(command=mark_command)

    checkpoints = commands.add_parser("checkpoints", help="list the checkpoints of a run to branch from")
    checkpoints.add_argument("id", type=whole_number, metavar="ID")
    checkpoints.add_argument("--json", action="store_true", help="print one line of JSON per checkpoint")
    checkpoints.set_defaults(command=list_checkpoints)

    branch = commands.add_parser("branch", help="train a new run here that goes on from a run's checkpoint")
    branch.add_argument("id", type=whole_number, metavar="ID")
    branch.add_argument(
        "--at", type=whole_number, metavar="STEP", help="the checkpoint's step; default: the newest one"
    )
    branch.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="KNOB=VALUE",
        help="epochs, early_stopping.patience, or any knob that `change` takes",
    )
    branch.add_argument("--name", default="", help="a name for the new run")
    add_space(branch)
    branch.add_argument("--json", action="store_true", help="print nothing but the line of JSON")
    branch.set_defaults(command=branch_command)

    runs = commands.add_parser("runs", help="list all runs, newest first")
    runs.add_argument("--json", action="store_true", help="print one line of JSON per run")
    runs.set_defaults(command=list_runs)


def run_command(options: argparse.Namespace, settings: Settings) -> int:
    """Trains a new run in this process, or the runs of a preset one after another."""
    sets = with_file(read_sets(options.set, options.seed), settings)
    if options.preset:
        if options.config:
            raise ConfigError(f"--preset has configurations of its own; leave out {options.config}.")
        configs = {
            name: config.changed(sets) for name, config in find_preset(options.preset).configs().items()
        }
    else:
        configs = {options.name: read_config(options.config).changed(sets)}
    for config in configs.values():
        require_data(config, settings)
        require_start(config, settings.data)
    store = opened(options, settings)
    code = 0
    for name, config in configs.items():
        run_id = store.create_run(config, owner=COMMAND_LINE, name=name, status=RunState.RUNNING)
        code = max(
            code, train_and_print(store, settings, run_id, attempt=1, config=config, quiet=options.json)
        )
        # Ctrl-C means the whole comparison.
        if store.run(run_id).status in (RunState.STOPPED, RunState.INTERRUPTED):
            break
    return code


def resume_command(options: argparse.Namespace, settings: Settings) -> int:
    """Continues a run that was stopped, paused or killed."""
    store = Store(settings.url)
    attempt = claim_again(store, settings, options.id)
    if attempt is None:
        print(f"Run {options.id} is being trained by another process; it continues there.", file=sys.stderr)
        return 0
    return train_and_print(store, settings, options.id, attempt, quiet=options.json)


def train_and_print(
    store: Store,
    settings: Settings,
    run_id: int,
    attempt: int,
    *,
    config: RunConfig | None = None,
    quiet: bool,
) -> int:
    """Trains a claimed run, with a progress bar on a terminal, prints the results, and returns the exit code."""
    control = Control()
    obey_signals(control)
    if not quiet:
        print(
            f"Run {run_id}. Ctrl-C stops it; python -m trainer resume {run_id} continues it.", file=sys.stderr
        )
    visible, unrecorded = not quiet and sys.stderr.isatty(), ""
    try:
        train_here(store, settings, run_id, attempt, control, config=config, visible=visible)
    except UnrecordedError as error:
        unrecorded = f"trainer: {error}"
    run = store.run(run_id)
    if not quiet:
        print(terminal.summary(run), file=sys.stderr)
    elif run.error:
        print(f"trainer: {run.error}", file=sys.stderr)
    told = outcome(run, store.knob_changes(run_id))
    print(orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY).decode())
    if unrecorded:
        print(unrecorded, file=sys.stderr)
        return 1
    return {RunState.FAILED: 1, RunState.INTERRUPTED: 130}.get(run.status, 0)


def obey_signals(control: Control) -> None:
    """Makes Ctrl-C stop the run in good order and a second one abort it; SIGTERM saves it for later."""

    def stop_or_abort(*_: Any) -> None:
        if control.leave is not None:
            os._exit(130)
        control.request(Request(RequestKind.STOP))

    signal.signal(signal.SIGINT, stop_or_abort)
    signal.signal(signal.SIGTERM, lambda *_: control.request(Request(RequestKind.INTERRUPT)))


def outcome(run: Run, changes: Sequence[KnobChange] = ()) -> dict[str, Any]:
    """Returns a run's line of JSON: what the loop reported, under the run's id and state. `weights` says which ones
    `validation` and `test` were measured on; `changes` stands there where knobs changed while it trained, and `branched` where
    it began at a checkpoint of another run. Numbers that are not finite become null."""
    applied = [{"step": one.step, "values": dict(one.values)} for one in changes if one.step is not None]
    return {
        "run": run.id,
        "name": run.name,
        "owner": run.owner,
        "status": run.status,
        "error": run.error,
        "notices": run.notices,
        "weights": weights_at_end(run.results) if run.results else None,
        **{key: value for key, value in (run.results or {"config": run.config}).items() if key != "error"},
        **({"changes": applied} if applied else {}),
        **(
            {"branched": {"run": run.parent_id, "step": run.parent_step}}
            if run.parent_step is not None
            else {}
        ),
    }


def list_runs(options: argparse.Namespace, settings: Settings) -> int:
    """Prints all runs."""
    store = Store(settings.url)
    runs = store.runs(archived=None)
    if options.json:
        changes = store.knob_changes_of([run.id for run in runs if run.changes])
        for run in runs:
            print(orjson.dumps(outcome(run, changes.get(run.id, ()))).decode())
    else:
        training = sum(run.status is RunState.RUNNING for run in runs)
        sharing = sharing_of(settings, full=store.is_full(), training=training)
        print(terminal.run_table(runs, turns(runs, sharing)))
    return 0


def stop_command(options: argparse.Namespace, settings: Settings) -> int:
    """Stops a run."""
    store = Store(settings.url)
    reap_dead_worker(store, settings, options.id)
    state = store.request(options.id, RequestKind.STOP, by=COMMAND_LINE)
    print(f"Run {options.id}: {'stopping' if state is RunState.RUNNING else state}.", file=sys.stderr)
    return 0


def change_command(options: argparse.Namespace, settings: Settings) -> int:
    """Changes hot knobs of a run that is under way."""
    store = Store(settings.url)
    values = read_sets(options.set, None)
    change = request_change(store, settings, options.id, values, by=COMMAND_LINE)
    changes = store.knob_changes(options.id)[: change.number]
    said = applied_changes(RunConfig.parse(store.run(options.id).config), changes)[-1]
    print(f"Run {options.id}: {said}.", file=sys.stderr)
    return 0


def mark_command(options: argparse.Namespace, settings: Settings) -> int:
    """Marks a step of a run that is training."""
    Store(settings.url).mark(options.id, by=COMMAND_LINE)
    print(f"Run {options.id}: marking its next step.", file=sys.stderr)
    return 0


def list_checkpoints(options: argparse.Namespace, settings: Settings) -> int:
    """Prints the checkpoints of a run to branch from."""
    Store(settings.url).run(options.id)
    found = kept(settings.run_folder(options.id))
    if options.json:
        for one in found:
            line = {"step": one.step, "epoch": one.epoch, "kept": one.reasons, "bytes": one.bytes}
            print(orjson.dumps(line).decode())
    else:
        print(terminal.checkpoint_table(found))
    return 0


def branch_command(options: argparse.Namespace, settings: Settings) -> int:
    """Trains a new run in this process from a checkpoint of another run on."""
    store = opened(options, settings)
    values = read_sets(options.set, None)
    if config := RunConfig.from_stored(store.run(options.id).config):
        require_data(config, settings)
    made = {"by": COMMAND_LINE, "name": options.name, "status": RunState.RUNNING}
    run_id = branch(store, settings, options.id, options.at, values, **made)
    return train_and_print(store, settings, run_id, attempt=1, quiet=options.json)
