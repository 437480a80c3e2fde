"""Linking: what a person has to prove before ABDM gives a link token."""

import sqlalchemy as sa
from alembic import op

from adapter.stores.db import Utc

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "link_challenge",
        sa.Column("token_id", sa.String(length=36), nullable=False),
        sa.Column("hip_id", sa.String(length=64), nullable=False),
        sa.Column("transaction_id", sa.String(length=64), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("hint", sa.String(length=64), nullable=True),
        sa.Column("dialect", sa.String(length=8), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.Column("sentence", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("token_id"),
        sa.UniqueConstraint("hip_id", "transaction_id", name="uq_link_challenge_transaction"),
    )
