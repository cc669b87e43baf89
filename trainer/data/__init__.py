"""Data sets. Each function returns whole arrays; the engine splits, scales and batches all of them alike."""

from trainer.data.samples import DataError
from trainer.data.vision import download, missing_files

__all__ = ["DataError", "download", "missing_files"]
