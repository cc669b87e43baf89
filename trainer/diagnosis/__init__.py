"""Diagnosis: finds failures in a run's recorded evidence, explains them, and suggests a fix for each.

It consists of pure functions of a run's configuration and recorded series, in NumPy alone. A rule is one function (see
registry.py); related rules share a file. `diagnose` applies all rules, drops findings that are consequences of others, and
sorts the rest by severity. A healthy run has no findings.
"""

from trainer.diagnosis.evidence import Evidence
from trainer.diagnosis.gather import gather, milestone
from trainer.diagnosis.registry import (
    IMPOSSIBLE,
    EvidenceItem,
    Finding,
    Found,
    Rule,
    evidence_label,
    judged_since,
    rules,
)
from trainer.diagnosis.standing import diagnose

__all__ = [
    "IMPOSSIBLE",
    "Evidence",
    "EvidenceItem",
    "Finding",
    "Found",
    "Rule",
    "diagnose",
    "evidence_label",
    "gather",
    "judged_since",
    "milestone",
    "rules",
]
