"""The formats of exports; the page and the command line offer what is listed here."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from trainer.config import ConfigError, RunConfig
from trainer.describe.labels import run_title
from trainer.engine import checkpoint
from trainer.export.bundle import write_bundle
from trainer.export.curves import as_csv, as_events, as_parquet
from trainer.export.history import history_of
from trainer.export.script import ShortScriptError, exact_script, short_script
from trainer.settings import Settings
from trainer.store import Run, Store

CHANGED = "Knobs of this run changed while it trained, which only the exact script repeats. Take that one."
BRANCHED = "This run began at a checkpoint of another, which only the exact script repeats. Take that one."
UNKNOWN = (
    "An earlier version started this branch and did not record how many epochs the run before it was to train, so no script "
    "repeats it. Export its curves, weights or everything."
)


class ExportError(ValueError):
    """What is asked for is not there; the text is one sentence."""


@dataclass(frozen=True)
class Format:
    """One way: what it is called, what it is good for, and how its bytes are made."""

    name: str
    label: str
    help: str
    suffix: str
    mime: str
    write: Callable[[Store, Settings, Run], bytes]

    def file_name(self, run: Run) -> str:
        """A name that any system takes: other people's words have no place in it."""
        return f"run-{run.id}{self.suffix}"


def no_short_script(run: Run) -> str:
    """Returns why no short script repeats a run; empty where one does."""
    if run.follows_its_config:
        return ""
    return no_exact_script(run) or (CHANGED if run.parent_step is None else BRANCHED)


def no_exact_script(run: Run) -> str:
    """Returns why no exact script repeats a run; empty where one does."""
    return UNKNOWN if history_of(run, []) is None else ""


def _script(store: Store, run: Run, write: Callable[[RunConfig], str]) -> bytes:
    """Returns a run's script. Raises ExportError when its data belongs to someone else or its knobs were set in another
    version."""
    if refusal := store.data_refusal(run.config, run.space):
        raise ExportError(refusal)
    try:
        return write(RunConfig.parse(run.config)).encode()
    except ConfigError as error:
        raise ExportError(f"The knobs of this run were set in another version: {error}") from error
    except ShortScriptError as error:
        raise ExportError(str(error)) from error


def _short(store: Store, settings: Settings, run: Run) -> bytes:
    if obstacle := no_short_script(run):
        raise ExportError(obstacle)
    return _script(store, run, lambda config: short_script(config, run_title(run), run.results))


def _exact(store: Store, settings: Settings, run: Run) -> bytes:
    history = history_of(run, store.knob_changes(run.id))
    if history is None:
        raise ExportError(UNKNOWN)
    return _script(store, run, lambda config: exact_script(config, run_title(run), run.results, history))


def _weights(store: Store, settings: Settings, run: Run) -> bytes:
    path = settings.run_folder(run.id) / checkpoint.WEIGHTS
    if not path.is_file():
        raise ExportError(
            "This run has no saved weights: they are written when a run finishes, or is stopped or paused."
        )
    return path.read_bytes()


def _bundle(store: Store, settings: Settings, run: Run) -> bytes:
    out = io.BytesIO()
    write_bundle(store, settings, run, out)
    return out.getvalue()


def _measured(write: Callable[[Store, Run], bytes]) -> Callable[[Store, Settings, Run], bytes]:
    def checked(store: Store, settings: Settings, run: Run) -> bytes:
        if store.last_step(run.id, "step") < 0:
            raise ExportError("This run has not measured anything yet.")
        return write(store, run)

    return checked


FORMATS = {
    one.name: one
    for one in (
        Format(
            "short",
            "Short script",
            "This run in at most 120 lines of PyTorch, as one would write it by hand; results within the noise of seeds.",
            ".py",
            "text/x-python",
            _short,
        ),
        Format(
            "script",
            "Exact script",
            "One longer file that trains this run again without Trainscope and prints the same numbers, digit for digit.",
            ".exact.py",
            "text/x-python",
            _exact,
        ),
        Format(
            "safetensors",
            "Weights",
            "The trained weights by name, in the safetensors format; the best ones where early stopping restored them.",
            ".safetensors",
            "application/octet-stream",
            _weights,
        ),
        Format(
            "csv",
            "Metrics (CSV)",
            "A row for each step, for spreadsheets; values of an epoch stand in the row of its last step.",
            ".csv",
            "text/csv",
            _measured(as_csv),
        ),
        Format(
            "parquet",
            "Metrics (Parquet)",
            "The same table for pandas, Polars or DuckDB: smaller, and read at once.",
            ".parquet",
            "application/vnd.apache.parquet",
            _measured(as_parquet),
        ),
        Format(
            "tensorboard",
            "TensorBoard events",
            "The curves for TensorBoard: put the file into a folder and start tensorboard --logdir FOLDER.",
            ".tfevents",
            "application/octet-stream",
            _measured(as_events),
        ),
        Format(
            "zip",
            "Everything (zip)",
            "Knobs, curves, notes, weights and script in one file, which another installation imports on its Runs page.",
            ".zip",
            "application/zip",
            _bundle,
        ),
    )
}
