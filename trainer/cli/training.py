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
from trainer.cli.configuration import add_config, read_config, read_sets, require_data
from trainer.cli.own_data import with_file
from trainer.config import ConfigError
from trainer.presets import PRESETS, find_preset
from trainer.processes.recorder import Control
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
    run.add_argument("--name", default="", help="a name for the run, to find it again")
    run.add_argument("--json", action="store_true", help="print nothing but the line of JSON")
    run.set_defaults(command=run_command)

    resume = commands.add_parser("resume", help="continue a stopped or paused run, here")
    resume.add_argument("id", type=int, metavar="ID")
    resume.add_argument("--json", action="store_true", help="print nothing but the line of JSON")
    resume.set_defaults(command=resume_command)

    stop = commands.add_parser("stop", help="ask a run to stop after its current step")
    stop.add_argument("id", type=int, metavar="ID")
    stop.set_defaults(command=stop_command)

    runs = commands.add_parser("runs", help="the runs in the store, newest first")
    runs.add_argument("--json", action="store_true", help="one line of JSON each")
    runs.set_defaults(command=list_runs)


def run_command(options: argparse.Namespace, settings: Settings) -> int:
    """Trains a new run in this process, or each run of a preset in turn."""
    sets = with_file(read_sets(options.set, options.seed), settings)
    if options.preset:
        if options.config:
            raise ConfigError(f"--preset brings its own configurations; leave out {options.config}.")
        configs = {
            name: config.changed(sets) for name, config in find_preset(options.preset).configs().items()
        }
    else:
        configs = {options.name: read_config(options.config).changed(sets)}
    for config in configs.values():
        require_data(config, settings)
    store = Store(settings.url)
    code = 0
    for name, config in configs.items():
        run_id = store.create_run(config.to_dict(), owner=COMMAND_LINE, name=name, status="running")
        code = max(code, train_here(store, settings, run_id, attempt=1, quiet=options.json))
        if store.run(run_id).status in ("stopped", "interrupted"):  # Ctrl-C means the whole experiment
            break
    return code


def resume_command(options: argparse.Namespace, settings: Settings) -> int:
    """Takes up a run that was stopped, paused or killed."""
    store = Store(settings.url)
    reap(store, settings, options.id)
    store.resume(options.id)
    attempt = store.claim(options.id)
    if attempt is None:
        print(f"Run {options.id} is being trained by another process; it goes on there.", file=sys.stderr)
        return 0
    return train_here(store, settings, options.id, attempt, quiet=options.json)


def reap(store: Store, settings: Settings, run_id: int) -> None:
    """Notice that the process that trained a run was killed, where no supervisor has: its lock has no holder."""
    run = store.run(run_id)
    if run.status == "running" and is_locked(settings.run_folder(run_id) / "lock") is False:
        store.lost(run_id, run.attempt, "the process that trained it is gone.")


def train_here(store: Store, settings: Settings, run_id: int, attempt: int, *, quiet: bool) -> int:
    """Trains a claimed run, with a progress bar on a terminal, and prints the results."""
    lock = FileLock(settings.run_folder(run_id) / "lock")
    if not lock.acquire():
        raise StoreError(f"Run {run_id} is being trained by another process.")
    control = Control()
    obey_signals(control)
    over = threading.Event()
    if not quiet:
        print(f"Run {run_id}. Ctrl-C stops it; python -m trainer resume {run_id} goes on.", file=sys.stderr)
        threading.Thread(target=terminal.show_progress, args=(store, run_id, over), daemon=True).start()
    code = train_attempt(store, run_id, attempt, settings, control)
    over.set()
    run = store.run(run_id)
    if not quiet:
        print(terminal.summary(run), file=sys.stderr)
    elif run.error:
        print(f"trainer: {run.error}", file=sys.stderr)
    print(orjson.dumps(outcome(run), option=orjson.OPT_SERIALIZE_NUMPY).decode())
    if code:
        print(
            f"trainer: The end of run {run_id} could not be written; resume it when it can.", file=sys.stderr
        )
        return 1
    return {"failed": 1, "interrupted": 130}.get(run.status, 0)


def obey_signals(control: Control) -> None:
    """Ctrl-C stops the run in good order, a second one breaks off; SIGTERM saves it for later."""

    def interrupted(*_: Any) -> None:
        if control() is not None:
            os._exit(130)
        control.set("stop")

    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, lambda *_: control.set("interrupt"))


def outcome(run: Run) -> dict[str, Any]:
    """The line of results: what the loop reported, under the run's id and status. Numbers that are not finite are null."""
    return {
        "run": run.id,
        "name": run.name,
        "owner": run.owner,
        "status": run.status,
        "error": run.error,
        "notices": run.notices,
        **{key: value for key, value in (run.results or {"config": run.config}).items() if key != "error"},
    }


def list_runs(options: argparse.Namespace, settings: Settings) -> int:
    """Prints the runs in the store."""
    runs = Store(settings.url).runs(archived=None)
    if options.json:
        for run in runs:
            print(orjson.dumps(outcome(run)).decode())
    else:
        print(terminal.run_table(runs))
    return 0


def stop_command(options: argparse.Namespace, settings: Settings) -> int:
    """Asks a run to stop."""
    store = Store(settings.url)
    reap(store, settings, options.id)
    status = store.request(options.id, "stop")
    print(f"Run {options.id}: {'stopping' if status in ('running', 'paused') else status}.", file=sys.stderr)
    return 0
