"""How much memory training took at most."""

import subprocess
import sys

CHILD = """
import numpy as np
from trainer.processes.process_memory import PeakMemory
held = np.ones(5_000_000)
memory = PeakMemory()
for size in (4_000_000, 10_000):
    taken = np.ones(size)
    del taken
print(memory.bytes_on("cpu"))
"""


def test_what_was_held_at_most_counts_and_what_was_there_before_does_not():
    printed = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True).stdout
    assert 30e6 < int(printed) < 40e6
