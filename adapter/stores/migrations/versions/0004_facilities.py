"""Facilities registered by the hospital itself: own id, outcome of the registration."""

import sqlalchemy as sa
from alembic import op

from adapter.stores.db import Utc

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("facility") as batch:
        batch.add_column(sa.Column("facility_id", sa.String(length=64), nullable=True))
        batch.add_column(
            sa.Column("source", sa.String(length=8), nullable=False, server_default="setting")
        )
        batch.add_column(sa.Column("registered_at", Utc(), nullable=True))
        batch.add_column(sa.Column("error", sa.String(length=64), nullable=True))
        batch.add_column(sa.Column("sentence", sa.String(length=500), nullable=True))
        batch.create_unique_constraint("uq_facility_facility_id", ["facility_id"])
