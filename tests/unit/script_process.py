"""A process in which tests execute exported scripts, one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


class Runner:
    """A process with torch in which scripts are executed one after the other."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("script_runner.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"},
        )

    def __call__(self, text: str, folder: Path) -> tuple[int, list[str]]:
        """Exit code and lines that a script prints."""
        folder.mkdir(exist_ok=True)
        path = folder / "run.py"
        path.write_text(text)
        self.process.stdin.write(f"{path}\t{folder}\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        return code, (folder / "output.txt").read_text().splitlines()
