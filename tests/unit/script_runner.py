"""Executes exported scripts, each in a fork of one process that has torch ready and refuses to import the project.

Reads lines "SCRIPT<tab>FOLDER" from standard input; a script's output and errors go to `output.txt` in its folder, and the
exit code comes back as a line.
"""

import importlib.abc
import os
import runpy
import sys
import traceback
from pathlib import Path

import sklearn.datasets
import sklearn.model_selection
import sklearn.preprocessing  # noqa: F401 - both are ready in the forks
import torch
import torch._dynamo  # an optimizer's first construction imports it
import torchvision.datasets


class Refuse(importlib.abc.MetaPathFinder):
    """An exported script stands alone."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("trainer", "pages", "streamlit", "pydantic"):
            raise ImportError(f"an exported script must not import {name}")


def execute(script: str, folder: str) -> None:
    os.chdir(folder)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = [script]
    runpy.run_path(script, run_name="__main__")


def main() -> None:
    torch.set_num_threads(1)
    sys.meta_path.insert(0, Refuse())
    # The tests' files are smaller than the published ones, whose checksums torchvision knows.
    torchvision.datasets.cifar.check_integrity = lambda path, md5=None: Path(path).is_file()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            code = 0
            try:
                execute(*line.rstrip("\n").split("\t"))
            except SystemExit as error:
                print(error, file=sys.stderr)
                code = 1
            except BaseException:
                traceback.print_exc()
                code = 2
            finally:
                sys.stdout.flush()
                os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
