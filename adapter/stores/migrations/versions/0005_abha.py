"""ABHA: profiles, transactions with the ABHA service, numbers in the counters' queues."""

import sqlalchemy as sa
from alembic import op

from adapter.stores.db import Utc

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "abha_profile",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("abha_number", sa.String(length=14), nullable=True),
        sa.Column("abha_address", sa.String(length=255), nullable=True),
        sa.Column("patient_id", sa.String(length=64), nullable=True),
        sa.Column("linked_at", Utc(), nullable=True),
        sa.Column("due_at", Utc(), nullable=True),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("new", sa.Boolean(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.JSON(), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.Column("tokens", sa.LargeBinary(), nullable=True),
        sa.Column("consent", sa.JSON(), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.Column("sentence", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("abha_number"),
        sa.UniqueConstraint("abha_address"),
        sa.UniqueConstraint("patient_id"),
    )
    op.create_index(op.f("ix_abha_profile_due_at"), "abha_profile", ["due_at"], unique=False)
    op.create_table(
        "abha_transaction",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("hip_id", sa.String(length=64), nullable=False),
        sa.Column("requester", sa.String(length=255), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=True),
        sa.Column("profile_id", sa.String(length=36), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("consent", sa.JSON(), nullable=True),
        sa.Column("mobile_pending", sa.Boolean(), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("sent_at", Utc(), nullable=True),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("busy_until", Utc(), nullable=True),
        sa.Column("busy_id", sa.String(length=36), nullable=True),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.Column("error", sa.String(length=64), nullable=True),
        sa.Column("sentence", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(["profile_id"], ["abha_profile.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    for column in ("profile_id", "expires_at"):
        op.create_index(
            op.f(f"ix_abha_transaction_{column}"), "abha_transaction", [column], unique=False
        )
    op.create_table(
        "queue_counter",
        sa.Column("hip_id", sa.String(length=64), nullable=False),
        sa.Column("counter", sa.String(length=64), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hip_id", "counter", "day"),
    )
    op.create_table(
        "queue_token",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("hip_id", sa.String(length=64), nullable=False),
        sa.Column("counter", sa.String(length=64), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("profile_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("issued_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.Column("called_at", Utc(), nullable=True),
        sa.Column("served_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["profile_id"], ["abha_profile.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hip_id", "counter", "day", "number", name="uq_queue_token_number"),
    )
    op.create_index(op.f("ix_queue_token_expires_at"), "queue_token", ["expires_at"], unique=False)
