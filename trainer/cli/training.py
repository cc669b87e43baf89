"""Commands about runs: run, resume, stop, runs."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from typing import Any

import orjson

from trainer.cli import terminal
from trainer.cli.configuration import add_config, read_config, read_sets, require_data, whole_number
from trainer.cli.own_data import with_file
from trainer.config import ConfigError, RunConfig
from trainer.describe.figures import weights_at_end
from trainer.engine.build import require_start
from trainer.lifecycle.requests import Request, RequestKind
from trainer.lifecycle.states import RunState
from trainer.presets import PRESETS, find_preset
from trainer.processes.control import Control
from trainer.processes.waiting import turns
from trainer.processes.worker import train_attempt
from trainer.settings import Settings
from trainer.store import COMMAND_LINE, Run, Store, StoreError
from trainer.store.file_lock import FileLock, is_locked


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds these commands."""
    run = commands.add_parser(
        "run", help="train one configuration here and print its results as a line of JSON"
    )
    add_config(run)
    run.add_argument("--preset", metavar="NAME", help=f"a ready-made comparison: {', '.join(PRESETS)}")
    run.add_argument("--name", default="", help="a name for the run")
    run.add_argument("--json", action="store_true", help="print nothing but the line of JSON")
    run.set_defaults(command=run_command)

    resume = commands.add_parser("resume", help="continue a paused, stopped or failed run here")
    resume.add_argument("id", type=whole_number, metavar="ID")
    resume.add_argument("--json", action="store_true", help="print nothing but the line of JSON")
    resume.set_defaults(command=resume_command)

    stop = commands.add_parser("stop", help="stop a run after its current step")
    stop.add_argument("id", type=whole_number, metavar="ID")
    stop.set_defaults(command=stop_command)

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
    store = Store(settings.url)
    code = 0
    for name, config in configs.items():
        run_id = store.create_run(config, owner=COMMAND_LINE, name=name, status=RunState.RUNNING)
        code = max(code, train_here(store, settings, run_id, attempt=1, config=config, quiet=options.json))
        # Ctrl-C means the whole comparison.
        if store.run(run_id).status in (RunState.STOPPED, RunState.INTERRUPTED):
            break
    return code


def resume_command(options: argparse.Namespace, settings: Settings) -> int:
    """Continues a run that was stopped, paused or killed."""
    store = Store(settings.url)
    reap_dead_worker(store, settings, options.id)
    store.resume(options.id, by=COMMAND_LINE)
    attempt = store.claim(options.id)
    if attempt is None:
        print(f"Run {options.id} is being trained by another process; it continues there.", file=sys.stderr)
        return 0
    return train_here(store, settings, options.id, attempt, quiet=options.json)


def reap_dead_worker(store: Store, settings: Settings, run_id: int) -> None:
    """Ends the attempt of a worker that was killed, where no supervisor did: nobody holds the run's lock."""
    run = store.run(run_id)
    if run.status is RunState.RUNNING and is_locked(settings.run_folder(run_id) / "lock") is False:
        store.lost(run_id, run.attempt, "the process that trained it is gone.")


def train_here(
    store: Store,
    settings: Settings,
    run_id: int,
    attempt: int,
    *,
    config: RunConfig | None = None,
    quiet: bool,
) -> int:
    """Trains a claimed run, with a progress bar on a terminal, prints the results, and returns the exit code."""
    lock = FileLock(settings.run_folder(run_id) / "lock")
    if not lock.acquire():
        raise StoreError(f"Run {run_id} is being trained by another process.")
    control = Control()
    obey_signals(control)
    over = threading.Event()
    if not quiet:
        print(
            f"Run {run_id}. Ctrl-C stops it; python -m trainer resume {run_id} continues it.", file=sys.stderr
        )
        threading.Thread(target=terminal.show_progress, args=(store, run_id, over), daemon=True).start()
    code = train_attempt(store, run_id, attempt, settings, control, config=config)
    over.set()
    run = store.run(run_id)
    if not quiet:
        print(terminal.summary(run), file=sys.stderr)
    elif run.error:
        print(f"trainer: {run.error}", file=sys.stderr)
    print(orjson.dumps(outcome(run), option=orjson.OPT_SERIALIZE_NUMPY).decode())
    if code:
        print(
            f"trainer: The end state of run {run_id} could not be written. Resume the run once the database can be "
            "written to.",
            file=sys.stderr,
        )
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


def outcome(run: Run) -> dict[str, Any]:
    """Returns a run's line of JSON: what the loop reported, under the run's id and state. `weights` says which ones
    `validation` and `test` were measured on. Numbers that are not finite become null."""
    return {
        "run": run.id,
        "name": run.name,
        "owner": run.owner,
        "status": run.status,
        "error": run.error,
        "notices": run.notices,
        "weights": weights_at_end(run.results) if run.results else None,
        **{key: value for key, value in (run.results or {"config": run.config}).items() if key != "error"},
    }


def list_runs(options: argparse.Namespace, settings: Settings) -> int:
    """Prints all runs."""
    store = Store(settings.url)
    runs = store.runs(archived=None)
    if options.json:
        for run in runs:
            print(orjson.dumps(outcome(run)).decode())
    else:
        print(terminal.run_table(runs, turns(runs, settings.max_workers)))
    return 0


def stop_command(options: argparse.Namespace, settings: Settings) -> int:
    """Stops a run."""
    store = Store(settings.url)
    reap_dead_worker(store, settings, options.id)
    state = store.request(options.id, RequestKind.STOP, by=COMMAND_LINE)
    print(f"Run {options.id}: {'stopping' if state is RunState.RUNNING else state}.", file=sys.stderr)
    return 0
