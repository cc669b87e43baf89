"""Data sets. Each function returns whole arrays: splitting, scaling and batching are the same for all of them."""

from trainer.data.samples import DataError
from trainer.data.vision import download, missing_files

__all__ = ["DataError", "download", "missing_files"]
