"""Deleting a run with what it left on the disk."""

from __future__ import annotations

from trainer.config import RunConfig
from trainer.data.uploads import remove_upload
from trainer.settings import Settings
from trainer.store import Store


def delete_with_files(store: Store, settings: Settings, run_id: int, *, by: str) -> None:
    """Deletes a run, its folder, and the upload that no other run and nobody's list needs. Raises StoreError as
    `Store.delete` does, and then nothing is gone."""
    config = RunConfig.from_stored(store.run(run_id).config)
    store.delete(run_id, by=by)
    settings.remove_run_folder(run_id)
    digest = config.data.knobs.get("file") if config else None
    if digest and store.is_orphan(digest):
        remove_upload(digest)
