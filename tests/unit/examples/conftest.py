"""A home in which every example runs."""

import pytest
import text_files
import vision_files

from trainer.registry import families
from trainer.settings import Settings


@pytest.fixture(scope="session")
def settings(tmp_path_factory):
    """With everything in the data folder that any example needs."""
    found = Settings(home=tmp_path_factory.mktemp("home"))
    text_files.write_wordnet(found.data)
    text_files.write_translators(found.data)
    for name, item in families()["data"].techniques.items():
        if "files" in item.facts:
            vision_files.write(name, found.data)
    return found
