"""Requests to change knobs, held to the limits that a run was held to when it began."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.config import RunConfig
from trainer.data import DataError
from trainer.lifecycle.hot_knobs import KnobChange, changed_in_training, newest_config
from trainer.processes.limits import LimitError, require_points
from trainer.settings import Settings
from trainer.store import Store, StoreError


def request_change(
    store: Store, settings: Settings, run_id: int, values: Mapping[str, Any], *, by: str
) -> KnobChange:
    """Requests a change as `Store.change_knobs` does. Raises StoreError and ConfigError as it does, and StoreError where a
    smaller batch size would give the curves more points than a run may have."""
    run = store.run(run_id)
    if "batch_size" in values and (start := RunConfig.from_stored(run.config)):
        now = newest_config(start, store.knob_changes(run_id))
        try:
            require_points(changed_in_training(now, values), settings, run.limits)
        except (LimitError, DataError) as error:
            raise StoreError(str(error)) from error
    return store.change_knobs(run_id, values, by=by)
