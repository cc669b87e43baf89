"""The table of limits: what owners set, what a refusal says, what the docs and the command line show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import alembic.command
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from limited_spaces import KINDS, PLENTY, shared

from trainer.settings import MEGABYTE, Settings
from trainer.spaces import COMMAND_LINE, SpaceKind
from trainer.spaces.limits import RULES, SETTINGS, Limits, Used, Wanted, limits_of, new_runs
from trainer.spaces.usage import usage_refusal
from trainer.store import Store, StoreError
from trainer.store.database import Database, alembic_config


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'trainscope.db'}", limits=PLENTY)
    yield opened
    opened.close()


@pytest.mark.parametrize("kind", KINDS)
def test_owners_set_limits_within_what_the_installation_allows(store: Store, kind: SpaceKind) -> None:
    space = shared(store, kind)
    for rule in RULES:
        usual, most = rule.default(kind, PLENTY), rule.most(PLENTY)
        assert getattr(store.usage("olga", space=space).limits, rule.name) == usual <= most
        store.set_limits(space, {rule.name: 1}, by="olga")
        assert getattr(store.usage("olga", space=space).limits, rule.name) == 1
        for value in (most + 1, 0, -1, 1.5, "many", True, 10**30):
            with pytest.raises(StoreError, match=f"{rule.name}|{rule.label}"):
                store.set_limits(space, {rule.name: value}, by="olga")
        assert getattr(store.usage("olga", space=space).limits, rule.name) == 1
        store.set_limits(space, {rule.name: None}, by="olga")
        assert getattr(store.usage("olga", space=space).limits, rule.name) == usual
    with pytest.raises(StoreError, match=r"There is no limit 'runs'\. The limits are live_runs_each"):
        store.set_limits(space, {"runs": 1}, by="olga")


def test_a_private_space_has_the_limits_of_the_settings(store: Store) -> None:
    with pytest.raises(StoreError, match="This space is not shared"):
        store.set_limits("ann", {"live_runs": 1}, by="ann")


@given(
    kind=st.sampled_from(SpaceKind),
    set_to=st.dictionaries(st.sampled_from([one.name for one in RULES]), st.integers(1, 10**7)),
    limits=st.builds(Limits, *[st.integers(1, 10**6)] * len(SETTINGS)),
)
def test_no_limit_exceeds_the_installations(kind: SpaceKind, set_to: dict[str, int], limits: Limits) -> None:
    """Also where the installation allowed more when it was set."""
    held = limits_of(kind, set_to, limits)
    for rule in RULES:
        value = getattr(held, rule.name)
        assert 1 <= value <= rule.most(limits)
        if (wanted := set_to.get(rule.name)) is not None:
            assert value == min(wanted, rule.most(limits))


COUNTS = st.integers(0, 12)


@given(
    used=st.builds(Used, *[COUNTS] * 7, *[st.integers(0, 3 * MEGABYTE)] * 4),
    wanted=st.builds(
        Wanted,
        COUNTS,
        COUNTS,
        st.integers(0, 3 * MEGABYTE),
        st.integers(0, 3 * MEGABYTE),
        st.booleans(),
        st.booleans(),
    ),
    set_to=st.fixed_dictionaries({one.name: st.integers(1, 12) for one in RULES[:4]}),
    megabytes=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    together=st.integers(1, 24),
    shared=st.booleans(),
)
def test_a_refusal_names_what_is_taken_the_limit_whose_it_is_and_what_helps(
    used: Used,
    wanted: Wanted,
    set_to: dict[str, int],
    megabytes: tuple[int, int],
    together: int,
    shared: bool,
) -> None:
    limits = Limits(12, together, files_mb=2, megabytes=3)
    overrides = {**set_to, "megabytes_each": megabytes[0], "megabytes": megabytes[1]}
    held = limits_of(SpaceKind.ROOM, overrides, limits)
    problem = usage_refusal(limits, held, used, wanted, shared=shared)
    assert (problem is None) == fits(limits, held, used, wanted, shared=shared)
    if problem is None:
        return
    assert re.match(
        r"(\d+ runs? (of (yours( in this space)?|this (member|visitor|space)|all visitors)|from your network address) |"
        r"(Your|This member's|The) )",
        problem,
    )
    assert len(re.findall(r"\d+", problem)) >= 2, "what is taken, and the limit"
    assert re.search(r"(Wait until|Try again when|Delete) .*\.$", problem)
    assert shared or "owner of the space" not in problem


def fits(limits: Limits, held: Any, used: Used, wanted: Wanted, *, shared: bool) -> bool:
    """Says the same in other words: nothing that is added takes more than there is, of each limit that counts it."""
    runs, added = wanted.runs, wanted.bytes or int(wanted.runs > 0)
    rows = [
        (used.live_each, runs, held.live_runs_each),
        (used.queued_each, wanted.queued, held.queued_runs_each),
    ]
    rows.append((used.bytes_each, added, held.megabytes_each * MEGABYTE))
    if shared:
        rows += [(used.live, runs, held.live_runs), (used.queued, wanted.queued, held.queued_runs)]
        rows.append((used.bytes, added, held.megabytes * MEGABYTE))
    if not wanted.moves:
        rows += [(used.visitor, runs, limits.of_one), (used.everybody, runs, limits.together)]
        rows.append((used.address, runs, limits.of_address))
    rows.append((used.visitor_bytes, wanted.kept, limits.files_mb * MEGABYTE))
    rows.append((used.address_bytes, wanted.kept, limits.address_mb * MEGABYTE))
    return all(not more or taken + more <= most for taken, more, most in rows)


def test_what_is_likely_to_fit_is_what_fits(store: Store) -> None:
    room = shared(store, live_runs_each=2)
    there = store.acting_for("member", room)
    assert there.usage("member").problem(new_runs(2)) == ""
    assert "so 3 more do not fit" in there.usage("member").problem(new_runs(3))
    there.create_run({}, "member")
    assert there.usage("member").problem(new_runs(2)).startswith("1 run of yours in this space is queued")


def test_the_settings_are_the_installations_limits(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, max_live_runs=7, max_live_runs_per_visitor=5, upload_quota_mb=3)
    limits = Limits.of(settings)
    assert (limits.together, limits.of_one, limits.files_mb) == (7, 5, 3)
    usual, fields = Limits.of(Settings(home=tmp_path)), SETTINGS.keys() - {"run_memory_mb"}
    assert all(getattr(usual, name) == getattr(Limits(), name) for name in fields)


def test_the_docs_show_the_table() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "spaces.md").read_text()
    usual = Limits()
    for rule in RULES:
        own = rule.name.endswith("_each") or rule.name.startswith("run_")
        cells = [
            f"{rule.default(kind, usual):,}"
            for kind in (SpaceKind.PRIVATE, SpaceKind.ROOM, SpaceKind.PROJECT)
        ]
        if not own:
            cells[0] = "–"
        most = f"`TRAINSCOPE_{SETTINGS[rule.bound].upper()}`"
        if rule.name == "run_memory_mb":
            cells = ["all", "4,000", "all"]
        unit = "" if rule.unit in ("runs", "steps") else f", {rule.unit}"
        row = f"| `{rule.name}` | {rule.label}{unit} | {' | '.join(cells)} | {most} | {rule.why} |"
        assert row in docs, row


def test_runs_of_an_earlier_version_keep_what_their_curves_take(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    database = Database(url, migrate=False)
    config = alembic_config()
    with database.writing() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0013")
        for number, imported in ((1, 0), (2, 500)):
            connection.execute(sa.text(OLD_RUN), {"id": number, "imported": imported})
            connection.execute(sa.text(OLD_CHUNK), {"run": number})
        connection.execute(
            sa.text(
                "INSERT INTO spaces (id, kind, title, created, archived) VALUES ('s', 'project', 'Q', '2026-01-01', 0)"
            )
        )
    database.close()
    store = Store(url, limits=PLENTY)
    assert [(one.kept_bytes, one.limits) for one in store.runs("ann")] == [(500, None), (3, None)]
    assert store.usage("ann", space="ann").used.bytes == 503
    assert store.spaces(None)[0].limits == {}
    assert store.resume(1, by="ann") == "queued"
    assert store.run(1).limits is not None
    store.close()


OLD_RUN = (
    "INSERT INTO runs (id, number, owner, space, name, notes, archived, status, config, created, attempt, beat, progress, "
    "notices, version, place, losses, lost_step, imported_bytes) VALUES (:id, :id, 'ann', 'ann', '', '', false, 'stopped', "
    "'{}', '2026-01-01 00:00:00', 1, 0, '{}', '[]', :id, :id, 0, -1, :imported)"
)
OLD_CHUNK = (
    "INSERT INTO chunks (run_id, kind, last_step, serial, level, count, columns, data) "
    "VALUES (:run, 'step', 1, 1, 0, 1, '[\"step\"]', x'010203')"
)


def test_the_command_line_shows_and_sets_limits(command) -> None:
    space = command("new-space", "Delivery times")[1].strip()
    code, out, _ = command("limits", space)
    assert (code, out.count("\n")) == (0, len(RULES))
    assert "live_runs         0 of 500 runs\n" in out
    code, out, _ = command("limits", space, "--set", "live_runs=7", "run_seconds=60", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert {"limit": "live_runs", "most": 7, "used": 0} in rows
    assert {"limit": "run_seconds", "most": 60, "used": None} in rows
    assert "live_runs         0 of 500 runs\n" in command("limits", space, "--set", "live_runs=")[1]
    for wrong, words in (
        ("live_runs=many", "live_runs is 'many'; use a whole number from 1"),
        ("live_runs=0", "live_runs is 0; use a whole number from 1"),
        ("live_runs=1001", "is more than this installation allows. Use at most 1,000."),
        ("runs=1", "There is no limit 'runs'. The limits are live_runs_each"),
    ):
        code, _, err = command("limits", space, "--set", wrong)
        assert (code, words in err, err.count("\n")) == (2, True, 1), err
    for space, words in (("nowhere", "There is no space 'nowhere'"), (COMMAND_LINE, "has no limits")):
        code, _, err = command("limits", space, "--set", "live_runs=1")
        assert (code, words in err, err.count("\n")) == (2, True, 1), err
