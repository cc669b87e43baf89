"""Branches: runs that begin at a checkpoint of another run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from trainer.config import RunConfig
from trainer.lifecycle.branches import Fork
from trainer.lifecycle.hot_knobs import KnobChange
from trainer.lifecycle.states import RunState
from trainer.spaces import COMMAND_LINE
from trainer.spaces.limits import new_runs
from trainer.store.access import roles_of
from trainer.store.database import StoreError, tick
from trainer.store.knob_changes import add_changes
from trainer.store.runs import RUN_COLUMNS, Run, RunStore, as_run, get_run, insert_run, new_run
from trainer.store.schema import runs


class BranchStore(RunStore):
    """Adds branches and finds them."""

    def create_branch(
        self,
        config: RunConfig,
        owner: str,
        *,
        of: int,
        step: int,
        changes: Sequence[KnobChange],
        forks: Sequence[Fork] | None,
        place: Callable[[int], None],
        name: str = "",
        status: RunState = RunState.QUEUED,
    ) -> int:
        """Adds a run that begins at a checkpoint of the run `of`, and returns its id. `changes` are those of the other run up
        to there, and behind them the one at the fork; `forks` where all runs before it were left, if that is known. `place`
        puts the checkpoint into the new run's folder before anybody can see the run. Raises StoreError as `create_run` does, and
        for a run that the owner may not read."""
        with self.writing() as connection:
            version = tick(connection)
            if get_run(connection, of).space not in roles_of(connection, owner) and owner != COMMAND_LINE:
                raise StoreError("This run belongs to another visitor, so only they can branch it.")
            space = self.target(connection, owner)
            admitted = self.admit(connection, owner, space, new_runs(waits=status is RunState.QUEUED))
            applied = sum(change.step is not None for change in changes)
            fork = {"parent_id": of, "parent_step": step, "changes": applied, "forks": forks}
            run_id = insert_run(
                connection, new_run(config, owner, space, name, "", status) | fork | admitted, version
            )
            add_changes(connection, run_id, owner, changes)
            place(run_id)
            return run_id

    def branches_of(self, run_id: int) -> list[Run]:
        """Returns the runs that branched from a run, in the order of their steps."""
        statement = sa.select(*RUN_COLUMNS).where(runs.c.parent_id == run_id, self.visible(runs))
        with self.reading() as connection:
            rows = connection.execute(statement.order_by(runs.c.parent_step, runs.c.id))
            return [as_run(row) for row in rows]
