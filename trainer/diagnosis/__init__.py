"""What went wrong with a run: failures found from its recorded evidence, explained, each with a fix to try.

Pure functions of a run's configuration and recorded series, NumPy alone. A rule is one function (see registry.py); the
rules of a kind share a file. `diagnose` asks all of them, drops what is only a consequence of something upstream, and puts
the gravest first. A run that is fine has no findings.
"""

from trainer.diagnosis.evidence import Evidence
from trainer.diagnosis.gather import gather, milestone
from trainer.diagnosis.registry import IMPOSSIBLE, Finding, Found, Mark, Rule, mark_label, rules
from trainer.diagnosis.verdict import diagnose

__all__ = [
    "IMPOSSIBLE",
    "Evidence",
    "Finding",
    "Found",
    "Mark",
    "Rule",
    "diagnose",
    "gather",
    "mark_label",
    "milestone",
    "rules",
]
