"""What must be there before a run is created."""

from __future__ import annotations

from trainer.config import RunConfig
from trainer.data import DataError, missing_files
from trainer.data.own import data_problem
from trainer.engine.augment import missing_requirements
from trainer.settings import Settings


def require_data(config: RunConfig, settings: Settings) -> None:
    """Raises DataError when the data set's files, or what its augmentation needs, are missing."""
    for sentence in missing_requirements(config, settings.data):
        raise DataError(f"{sentence}.")
    if problem := data_problem(config.data.name, config.data.knobs):
        raise DataError(problem)
    if missing := missing_files(config.data.name, settings.data):
        raise DataError(
            f"{config.data.name} is not in {settings.data} ({missing[0]} is missing). "
            f"Fetch it with: python -m trainer download {config.data.name}"
        )
