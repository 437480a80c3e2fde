"""Linking: pace of calls, changed content, patients who opted out, SMS notices."""

import sqlalchemy as sa
from alembic import op

from adapter.stores.db import Utc

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("care_context_link") as batch:
        batch.add_column(sa.Column("update_due_at", Utc(), nullable=True))
        batch.add_column(sa.Column("remark", sa.String(length=500), nullable=True))
    op.create_table(
        "link_pace",
        sa.Column("abha_address", sa.String(length=255), nullable=False),
        sa.Column("asked_at", Utc(), nullable=True),
        sa.Column("refusals", sa.JSON(), nullable=False),
        sa.Column("blocked_until", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("abha_address"),
    )
    op.create_table(
        "opt_out",
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("requester", sa.String(length=255), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("patient_id"),
    )
    op.create_table(
        "sms_notice",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("hip_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("closed_at", Utc(), nullable=True),
        sa.Column("sentence", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hip_id", "reference", name="uq_sms_notice_visit"),
    )
