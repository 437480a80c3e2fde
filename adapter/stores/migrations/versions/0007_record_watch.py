"""The record watch: what is searched when, what was seen, what is to be looked at."""

import sqlalchemy as sa
from alembic import op

from adapter.stores.db import Utc

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "watch",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("watermark", Utc(), nullable=True),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("lease_until", Utc(), nullable=True),
        sa.Column("lease_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "watch_seen",
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("resource_type", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("seen_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_watch_seen_type", "watch_seen", ["resource_type", "seen_at"])
    op.create_table(
        "watch_item",
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("ticket", sa.String(length=36), nullable=False),
        sa.Column("requester", sa.String(length=255), nullable=False),
        sa.Column("any_age", sa.Boolean(), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sentence", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index(op.f("ix_watch_item_due_at"), "watch_item", ["due_at"], unique=False)
    with op.batch_alter_table("care_context_link") as table:
        table.add_column(sa.Column("content", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("retries", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("again_at", Utc(), nullable=True))
        table.create_index("ix_care_context_link_patient_id", ["patient_id"])
        table.create_index("ix_care_context_link_state", ["state"])
