"""Searches: a state of comparisons that are one, and the tables of Optuna 5.0 for their studies and trials.

They are as Optuna would create them, but what belongs to a study is deleted with it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

OPTUNA_SCHEMA = 12


def upgrade() -> None:
    """Add the columns, and create the tables."""
    op.add_column("comparisons", sa.Column("search", sa.String(20)))
    op.add_column("comparisons", sa.Column("error", sa.Text))
    op.create_table("studies", _key("study_id"), sa.Column("study_name", sa.String(512), nullable=False))
    op.create_index("ix_studies_study_name", "studies", ["study_name"], unique=True)
    info = op.create_table(
        "version_info",
        _key("version_info_id"),
        sa.Column("schema_version", sa.Integer),
        sa.Column("library_version", sa.String(256)),
        sa.CheckConstraint("version_info_id = 1"),
    )
    op.bulk_insert(
        info, [{"version_info_id": 1, "schema_version": OPTUNA_SCHEMA, "library_version": "5.0.0"}]
    )
    op.create_table(
        "study_directions",
        _key("study_direction_id"),
        sa.Column(
            "direction", sa.Enum("NOT_SET", "MINIMIZE", "MAXIMIZE", name="studydirection"), nullable=False
        ),
        _of("study", nullable=False),
        sa.Column("objective", sa.Integer, nullable=False),
        sa.UniqueConstraint("study_id", "objective"),
    )
    _attributes("study_system_attribute", "study")
    _attributes("study_user_attribute", "study")
    op.create_table(
        "trials",
        _key("trial_id"),
        sa.Column("number", sa.Integer),
        _of("study"),
        sa.Column(
            "state",
            sa.Enum("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING", name="trialstate"),
            nullable=False,
        ),
        sa.Column("datetime_start", sa.DateTime),
        sa.Column("datetime_complete", sa.DateTime),
    )
    op.create_index("ix_trials_study_id", "trials", ["study_id"])
    _attributes("trial_system_attribute", "trial")
    _attributes("trial_user_attribute", "trial")
    op.create_table(
        "trial_params",
        _key("param_id"),
        _of("trial"),
        sa.Column("param_name", sa.String(512)),
        sa.Column("param_value", sa.Float(53)),
        sa.Column("distribution_json", sa.Text),
        sa.UniqueConstraint("trial_id", "param_name"),
    )
    op.create_table(
        "trial_values",
        _key("trial_value_id"),
        _of("trial", nullable=False),
        sa.Column("objective", sa.Integer, nullable=False),
        sa.Column("value", sa.Float(53)),
        sa.Column(
            "value_type", sa.Enum("FINITE", "INF_POS", "INF_NEG", name="trialvaluetype"), nullable=False
        ),
        sa.UniqueConstraint("trial_id", "objective"),
    )
    op.create_table(
        "trial_intermediate_values",
        _key("trial_intermediate_value_id"),
        _of("trial", nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("intermediate_value", sa.Float(53)),
        sa.Column(
            "intermediate_value_type",
            sa.Enum("FINITE", "INF_POS", "INF_NEG", "NAN", name="trialintermediatevaluetype"),
            nullable=False,
        ),
        sa.UniqueConstraint("trial_id", "step"),
    )
    op.create_table(
        "trial_heartbeats",
        _key("trial_heartbeat_id"),
        _of("trial", nullable=False),
        sa.Column("heartbeat", sa.DateTime, nullable=False),
        sa.UniqueConstraint("trial_id"),
    )


def _key(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, primary_key=True)


def _of(owner: str, *, nullable: bool = True) -> sa.Column[Any]:
    table = {"study": "studies", "trial": "trials"}[owner]
    key = sa.ForeignKey(f"{table}.{owner}_id", ondelete="CASCADE")
    return sa.Column(f"{owner}_id", sa.Integer, key, nullable=nullable)


def _attributes(name: str, owner: str) -> None:
    op.create_table(
        f"{name}s",
        _key(f"{name}_id"),
        _of(owner),
        sa.Column("key", sa.String(512)),
        sa.Column("value_json", sa.Text),
        sa.UniqueConstraint(f"{owner}_id", "key"),
    )
