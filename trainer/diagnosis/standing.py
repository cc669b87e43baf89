"""From evidence to findings: applies all rules, drops consequences, and keeps findings from flickering."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.diagnosis.evidence import Evidence, may_be_judged
from trainer.diagnosis.registry import Finding, rules


def diagnose(run: Evidence) -> list[Finding]:
    """Returns the findings of a run, most severe first; none for a run that is healthy, too short, or not judged.

    A run in progress is judged only at milestones. To keep findings from flickering, one counts once it appears at two
    milestones in a row, until it is missing at two in a row. Once the run is over, all of its evidence decides.
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
    """Returns what every rule that may judge this evidence finds in it, including consequences."""
    found = (rule.apply(run) for rule in rules().values() if rule.parts or not run.since)
    return [finding for finding in found if finding is not None]


def upstream(found: list[Finding]) -> list[Finding]:
    """Returns the findings that no other one explains."""
    hidden = {name for finding in found for name in rules()[finding.name].hides}
    return [finding for finding in found if finding.name not in hidden]
