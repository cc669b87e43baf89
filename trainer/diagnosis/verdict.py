"""From evidence to findings: all rules asked, consequences dropped, nothing that flickers."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.diagnosis.evidence import Evidence, may_be_judged
from trainer.diagnosis.registry import Finding, rules


def diagnose(run: Evidence) -> list[Finding]:
    """The findings of a run, the gravest first; none for one that is fine, too short to tell, or not meant to be judged.

    While a run trains it is judged at milestones only, and a failure counts from the second milestone in a row at which it
    is found, until it was missing at two in a row: what is said of a run does not flicker. Once it is over, all of its
    evidence decides.
    """
    if not may_be_judged(run.config):
        return []
    if run.over:
        return upstream(findings(run))
    standing: dict[str, Finding] = {}
    before: Mapping[str, Finding] = {}
    missing: dict[str, int] = {}
    for part in run.milestones():
        found = {finding.name: finding for finding in upstream(findings(part))}
        standing |= {name: finding for name, finding in found.items() if name in before or name in standing}
        missing = {name: 0 if name in found else missing.get(name, 0) + 1 for name in standing}
        standing = {name: finding for name, finding in standing.items() if missing[name] < 2}
        before = found
    return sorted(standing.values(), key=lambda finding: -finding.severity)


def findings(run: Evidence) -> list[Finding]:
    """What every rule says of this evidence, consequences included."""
    found = (rule.apply(run) for rule in rules().values())
    return [finding for finding in found if finding is not None]


def upstream(found: list[Finding]) -> list[Finding]:
    """The findings that no other one explains."""
    hidden = {name for finding in found for name in rules()[finding.name].hides}
    return [finding for finding in found if finding.name not in hidden]
