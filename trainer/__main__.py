"""The command line: `python -m trainer run [CONFIG.json] [--set knob=value …] [--seed N] [--json]` and its siblings.

Everything for people goes to standard error; standard output carries results alone, so that a pipe gets nothing else.
Exit codes: 0 done, 1 the run failed, 2 the input was wrong (one line says how), 130 broken off,
141 nobody reads the output.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import orjson
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from trainer.cli import terminal
from trainer.cli.own_data import add_file, with_file
from trainer.config import ConfigError, RunConfig, label_of, plain_knobs
from trainer.data import DataError, download, missing_files
from trainer.data.own import data_problem
from trainer.diagnosis import diagnose, gather
from trainer.engine.augment import lacking
from trainer.export.formats import FORMATS, ExportError
from trainer.export.script import exact_script
from trainer.export.unbundle import BundleError, import_bundle
from trainer.presets import PRESETS, find_preset
from trainer.processes.recorder import Control
from trainer.processes.worker import train_attempt
from trainer.registry import Knob, families
from trainer.settings import Settings, SettingsError, get_settings
from trainer.store import COMMAND_LINE, Run, Store, StoreError
from trainer.store.file_lock import FileLock, is_locked


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        code = int(options.command(options, get_settings()))
        sys.stdout.flush()  # here, where it can be told that nobody takes the results
        return code
    except BrokenPipeError:  # as after `| head -1`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (BundleError, ConfigError, DataError, ExportError, SettingsError, StoreError) as error:
        print(f"trainer: {error}", file=sys.stderr)
        return 2
    except DBAPIError as error:
        print(f"trainer: {unreachable(error)}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"trainer: {error.filename or 'Standard output'}: {error.strerror or error}.", file=sys.stderr)
        return 1


def unreachable(error: DBAPIError) -> str:
    """One sentence for a database that does not do what was asked of it."""
    url, reason = make_url(get_settings().url), " ".join(str(error.orig).split())
    return (
        f"The database {url.render_as_string()} cannot be used: {reason}. Check that it is there, has space and may be "
        "written to, or name another one with TRAINSCOPE_HOME or TRAINSCOPE_DATABASE_URL."
    )


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        """Ends with exit code 2."""
        self.exit(2, f"{self.prog}: {message} (--help tells more)\n")


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = OneLineParser(prog="python -m trainer", description="Train and compare without a browser.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run", help="train one configuration here and print its results as a line of JSON"
    )
    add_config(run)
    run.add_argument("--preset", metavar="NAME", help=f"a ready-made experiment: {', '.join(PRESETS)}")
    run.add_argument("--name", default="", help="a name for the run, to find it again")
    run.add_argument("--json", action="store_true", help="print nothing but the line of JSON")
    run.set_defaults(command=run_command)

    inspect = commands.add_parser(
        "inspect", help="what is about to happen: one batch through the first weights"
    )
    add_config(inspect)
    inspect.add_argument("--json", action="store_true", help="everything, as a line of JSON")
    inspect.set_defaults(command=inspect_command)

    resume = commands.add_parser("resume", help="go on with a stopped or paused run, here")
    resume.add_argument("id", type=int, metavar="ID")
    resume.add_argument("--json", action="store_true", help="print nothing but the line of JSON")
    resume.set_defaults(command=resume_command)

    knobs = commands.add_parser("list-knobs", help="every knob with its default, bounds and meaning")
    knobs.add_argument("--json", action="store_true", help="as JSON")
    knobs.set_defaults(command=list_knobs)

    runs = commands.add_parser("runs", help="the runs in the store, newest first")
    runs.add_argument("--json", action="store_true", help="one line of JSON each")
    runs.set_defaults(command=list_runs)

    stop = commands.add_parser("stop", help="ask a run to stop after its current step")
    stop.add_argument("id", type=int, metavar="ID")
    stop.set_defaults(command=stop_command)

    add = commands.add_parser(
        "add-data", help="take in a CSV or a zip of images; prints knobs that train on it"
    )
    add.add_argument("file", type=Path, metavar="FILE")
    add.add_argument("--target", default="", metavar="COLUMN", help="the column to predict; guessed without")
    add.set_defaults(command=add_data_command)

    text = commands.add_parser("script", help="one PyTorch script of a configuration, on standard output")
    add_config(text)
    text.add_argument("--out", type=Path, metavar="PATH", help="write it to a file instead")
    text.set_defaults(command=script_command)

    diagnosis = commands.add_parser("diagnose", help="what went wrong with a run, and what to change")
    diagnosis.add_argument("id", type=int, metavar="ID")
    diagnosis.add_argument("--json", action="store_true", help="print one line of JSON")
    diagnosis.set_defaults(command=diagnose_command)

    export = commands.add_parser("export", help="take a run away: as script, weights, curves, or whole")
    export.add_argument("id", type=int, metavar="ID")
    export.add_argument("--format", required=True, choices=FORMATS, help="; ".join(formats_in_words()))
    export.add_argument("--out", type=Path, metavar="PATH", help="where to write it; run-ID.… here without")
    export.set_defaults(command=export_command)

    take = commands.add_parser("import", help="take in a run that was exported as zip elsewhere")
    take.add_argument("file", type=Path, metavar="FILE.zip")
    take.set_defaults(command=import_command)

    fetch = commands.add_parser("download", help="fetch a data set into the data folder")
    fetch.add_argument("dataset", metavar="DATASET")
    fetch.set_defaults(command=download_command)
    return top


def add_config(command: argparse.ArgumentParser) -> None:
    """The two ways to say which configuration is meant."""
    command.add_argument(
        "config", nargs="?", type=Path, metavar="CONFIG.json", help="knobs as JSON; the rest are defaults"
    )
    command.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="KNOB=VALUE",
        help="set a knob; list-knobs has them",
    )
    command.add_argument("--seed", metavar="N", help="short for --set seed=N")


def inspect_command(options: argparse.Namespace, settings: Settings) -> int:
    """Tells what a run would begin with; trains and saves nothing."""
    from trainer.preflight.dry_run import before, question_of

    config = read_config(options.config).changed(read_sets(options.set, options.seed))
    require_data(config, settings)
    answer = before(question_of(config), settings)
    if options.json:
        print(orjson.dumps(answer).decode())
    else:
        print(terminal.before_text(answer))
    return 0


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


def require_data(config: RunConfig, settings: Settings) -> None:
    """Raises DataError when the files of the data set, or what its augmentation needs, are not there."""
    for sentence in lacking(config, settings.data):
        raise DataError(f"{sentence}.")
    if problem := data_problem(config.data.name, config.data.knobs):
        raise DataError(problem)
    if missing := missing_files(config.data.name, settings.data):
        raise DataError(
            f"{config.data.name} is not in {settings.data} ({missing[0]} is missing). "
            f"Fetch it with: python -m trainer download {config.data.name}"
        )


def resume_command(options: argparse.Namespace, settings: Settings) -> int:
    """Takes up a run that was stopped, paused or killed."""
    store = Store(settings.url)
    bury(store, settings, options.id)
    store.resume(options.id)
    attempt = store.claim(options.id)
    if attempt is None:
        print(f"Run {options.id} is being trained by another process; it goes on there.", file=sys.stderr)
        return 0
    return train_here(store, settings, options.id, attempt, quiet=options.json)


def bury(store: Store, settings: Settings, run_id: int) -> None:
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


def read_config(path: Path | None) -> RunConfig:
    """The configuration of a file, or the defaults. Raises ConfigError."""
    try:
        return RunConfig.from_json(path.read_bytes()) if path else RunConfig()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text in UTF-8.") from None


def read_sets(sets: Sequence[str], seed: str | None) -> dict[str, Any]:
    """Single knobs by flat key. Raises ConfigError."""
    values: dict[str, Any] = {}
    for item in sets:
        key, equals, value = item.partition("=")
        if not equals:
            raise ConfigError(f"--set takes knob=value, such as dropout.rate=0.5; got {item!r}.")
        values[key.strip()] = value.strip()
    if seed is not None:
        values["seed"] = seed
    return values


def list_knobs(options: argparse.Namespace, settings: Settings) -> int:
    """Prints every knob, read from the registry."""
    entries = list(knob_entries())
    if options.json:
        print(orjson.dumps(entries, option=orjson.OPT_INDENT_2).decode())
    else:
        print(terminal.knob_table(entries))
    return 0


def knob_entries() -> Sequence[dict[str, Any]]:
    """All knobs as plain values, in the sidebar's order: choices, then the knobs of each technique."""
    defaults, entries = RunConfig(), []
    for name in RunConfig.model_fields:
        family = families().get(name)
        if family is None:
            entries.append(knob_entry(name, plain_knobs()[name], label_of(name, defaults)))
            continue
        entries.append(
            {
                "knob": name,
                "label": family.label,
                "kind": "choice",
                "default": family.default,
                "allowed": list(family.techniques),
                "help": family.help,
            }
        )
        for technique in family.techniques.values():
            for knob in technique.knobs.values():
                entry = knob_entry(f"{name}.{knob.name}", knob, f"{technique.label} · {knob.label}")
                entries.append({**entry, "when": f"{name}={technique.name}"})
    return entries


def knob_entry(key: str, knob: Knob, label: str) -> dict[str, Any]:
    """One knob as plain values."""
    allowed = list(knob.choices) if knob.choices else knob.bounds
    return {
        "knob": key,
        "label": label,
        "kind": knob.kind,
        "default": knob.default,
        "allowed": allowed,
        "unit": knob.unit,
        "help": knob.help,
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
    bury(store, settings, options.id)
    status = store.request(options.id, "stop")
    print(f"Run {options.id}: {'stopping' if status in ('running', 'paused') else status}.", file=sys.stderr)
    return 0


def add_data_command(options: argparse.Namespace, settings: Settings) -> int:
    """Takes in a file and prints the knobs that train on it, as JSON that `run` reads."""
    values = add_file(options.file, settings, options.target)
    config = RunConfig.from_flat(values)
    require_data(config, settings)
    print(orjson.dumps({"data": config.data.to_dict()}).decode())
    print("Save this line as CONFIG.json and train with: python -m trainer run CONFIG.json", file=sys.stderr)
    return 0


def formats_in_words() -> list[str]:
    """Each format with what it is."""
    return [f"{name}: {one.label}" for name, one in FORMATS.items()]


def export_command(options: argparse.Namespace, settings: Settings) -> int:
    """Writes a run in one of the formats and prints the path."""
    store, one = Store(settings.url), FORMATS[options.format]
    run = store.run(options.id)
    path = options.out or Path(one.file_name(run))
    path.write_bytes(one.write(store, settings, run))
    print(path)
    return 0


def import_command(options: argparse.Namespace, settings: Settings) -> int:
    """Takes in a run and prints its number."""
    try:
        with options.file.open("rb") as file:
            run_id = import_bundle(Store(settings.url), settings, file, COMMAND_LINE)
    except FileNotFoundError:
        raise BundleError(f"There is no file {options.file}.") from None
    print(run_id)
    return 0


def script_command(options: argparse.Namespace, settings: Settings) -> int:
    """Prints the script of a configuration that need not have run."""
    text = exact_script(read_config(options.config).changed(read_sets(options.set, options.seed)))
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


def diagnose_command(options: argparse.Namespace, settings: Settings) -> int:
    """Prints what the diagnosis finds in a run's evidence."""
    store = Store(settings.url)
    run = store.run(options.id)
    evidence = gather(store, run)
    found = diagnose(evidence) if evidence else []
    if options.json:
        findings = [finding.to_dict() for finding in found]
        print(orjson.dumps({"run": run.id, "status": run.status, "findings": findings}).decode())
    else:
        print(terminal.diagnosis(run, evidence, found))
    return 0


def download_command(options: argparse.Namespace, settings: Settings) -> int:
    """Fetches a data set with a progress bar."""
    known = [name for name, item in families()["data"].techniques.items() if "files" in item.facts]
    if options.dataset not in known:
        raise DataError(
            f"There is nothing to download for {options.dataset!r}; known are {', '.join(known)}."
        )
    if not missing_files(options.dataset, settings.data):
        print(f"{options.dataset} is in {settings.data} already.", file=sys.stderr)
        return 0
    with terminal.byte_bar(options.dataset) as show:
        download(options.dataset, settings.data, show)
    print(f"{options.dataset} is in {settings.data}.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
