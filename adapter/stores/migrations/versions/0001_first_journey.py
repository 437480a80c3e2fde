"""The tables of the first journey: inbox, outbox, links, transfers."""

import sqlalchemy as sa
from alembic import op

from adapter.stores.db import Utc

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "care_context_link",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("hip_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("patient_reference", sa.String(length=255), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("hi_type", sa.String(length=32), nullable=False),
        sa.Column("display", sa.String(length=255), nullable=False),
        sa.Column("abha_address", sa.String(length=255), nullable=True),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("batch", sa.String(length=36), nullable=True),
        sa.Column("requester", sa.String(length=255), nullable=False),
        sa.Column("notices", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=64), nullable=True),
        sa.Column("sentence", sa.String(length=500), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("linked_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hip_id", "patient_id", "reference", "hi_type", name="uq_link_context"),
    )
    with op.batch_alter_table("care_context_link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_care_context_link_batch"), ["batch"], unique=False)

    op.create_table(
        "ended_consent",
        sa.Column("artefact_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("ended_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("artefact_id"),
    )
    op.create_table(
        "facility",
        sa.Column("hfr_id", sa.String(length=64), nullable=False),
        sa.Column("hip_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("hfr_id"),
        sa.UniqueConstraint("hip_id"),
    )
    op.create_table(
        "inbox",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("message", sa.String(length=64), nullable=False),
        sa.Column("dialect", sa.String(length=8), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("hip_id", sa.String(length=64), nullable=True),
        sa.Column("hiu_id", sa.String(length=64), nullable=True),
        sa.Column("sent_at", Utc(), nullable=True),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("deadline", Utc(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", Utc(), nullable=True),
        sa.Column("lease_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("done_at", Utc(), nullable=True),
        sa.Column("error", sa.String(length=64), nullable=True),
        sa.Column("sentence", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("message", "request_id", name="uq_inbox_request"),
    )
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.create_index("ix_inbox_due", ["state", "due_at"], unique=False)

    op.create_table(
        "link_session",
        sa.Column("transaction_id", sa.String(length=64), nullable=False),
        sa.Column("hip_id", sa.String(length=64), nullable=False),
        sa.Column("abha_address", sa.String(length=255), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("offered", sa.LargeBinary(), nullable=False),
        sa.Column("chosen", sa.LargeBinary(), nullable=True),
        sa.Column("link_reference", sa.String(length=36), nullable=True),
        sa.Column("otp_hash", sa.String(length=128), nullable=True),
        sa.Column("otp_hint", sa.String(length=32), nullable=True),
        sa.Column("otp_expires_at", Utc(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("dialect", sa.String(length=8), nullable=False),
        sa.Column("init_request_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("transaction_id"),
        sa.UniqueConstraint("link_reference"),
    )
    op.create_table(
        "link_token",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("hip_id", sa.String(length=64), nullable=False),
        sa.Column("abha_address", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.Column("request", sa.LargeBinary(), nullable=True),
        sa.Column("requested_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=True),
        sa.Column("error", sa.String(length=64), nullable=True),
        sa.Column("sentence", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hip_id", "abha_address", name="uq_link_token_pair"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("message", sa.String(length=64), nullable=False),
        sa.Column("dialect", sa.String(length=8), nullable=True),
        sa.Column("hip_id", sa.String(length=64), nullable=True),
        sa.Column("hiu_id", sa.String(length=64), nullable=True),
        sa.Column("response_to", sa.String(length=64), nullable=True),
        sa.Column("conversation", sa.String(length=128), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("subject", sa.String(length=64), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("answer_due_at", Utc(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("deadline", Utc(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", Utc(), nullable=True),
        sa.Column("lease_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("done_at", Utc(), nullable=True),
        sa.Column("error", sa.String(length=64), nullable=True),
        sa.Column("sentence", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("ix_outbox_conversation", ["conversation", "position"], unique=False)
        batch_op.create_index("ix_outbox_due", ["state", "due_at"], unique=False)

    op.create_table(
        "setting",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "transfer",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("transaction_id", sa.String(length=64), nullable=False),
        sa.Column("consent_id", sa.String(length=64), nullable=False),
        sa.Column("hip_id", sa.String(length=64), nullable=False),
        sa.Column("hiu_id", sa.String(length=64), nullable=True),
        sa.Column("patient_id", sa.String(length=64), nullable=True),
        sa.Column("dialect", sa.String(length=8), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=True),
        sa.Column("push_host", sa.String(length=255), nullable=True),
        sa.Column("page_count", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("deadline", Utc(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", Utc(), nullable=True),
        sa.Column("lease_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("done_at", Utc(), nullable=True),
        sa.Column("error", sa.String(length=64), nullable=True),
        sa.Column("sentence", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("direction", "transaction_id", name="uq_transfer_transaction"),
    )
    with op.batch_alter_table("transfer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_transfer_consent_id"), ["consent_id"], unique=False)
        batch_op.create_index("ix_transfer_due", ["state", "due_at"], unique=False)

    op.create_table(
        "outbox_attempt",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("outbox_id", sa.String(length=36), nullable=False),
        sa.Column("sent_at", Utc(), nullable=False),
        sa.Column("outcome", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["outbox_id"],
            ["outbox.id"],
        ),
        sa.PrimaryKeyConstraint("request_id"),
    )
    with op.batch_alter_table("outbox_attempt", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_outbox_attempt_outbox_id"), ["outbox_id"], unique=False
        )

    op.create_table(
        "page",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("transfer_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("hi_type", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("checksum", sa.String(length=32), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", Utc(), nullable=True),
        sa.Column("sentence", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(
            ["transfer_id"],
            ["transfer.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("transfer_id", "number", name="uq_page_number"),
    )
    op.create_table(
        "transfer_context",
        sa.Column("transfer_id", sa.String(length=36), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("sentence", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(
            ["transfer_id"],
            ["transfer.id"],
        ),
        sa.PrimaryKeyConstraint("transfer_id", "reference"),
    )
    op.create_table(
        "page_chunk",
        sa.Column("page_id", sa.String(length=36), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["page_id"],
            ["page.id"],
        ),
        sa.PrimaryKeyConstraint("page_id", "n"),
    )


def downgrade() -> None:
    op.drop_table("page_chunk")
    op.drop_table("transfer_context")
    op.drop_table("page")
    with op.batch_alter_table("outbox_attempt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_attempt_outbox_id"))

    op.drop_table("outbox_attempt")
    with op.batch_alter_table("transfer", schema=None) as batch_op:
        batch_op.drop_index("ix_transfer_due")
        batch_op.drop_index(batch_op.f("ix_transfer_consent_id"))

    op.drop_table("transfer")
    op.drop_table("setting")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_due")
        batch_op.drop_index("ix_outbox_conversation")

    op.drop_table("outbox")
    op.drop_table("link_token")
    op.drop_table("link_session")
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.drop_index("ix_inbox_due")

    op.drop_table("inbox")
    op.drop_table("facility")
    op.drop_table("ended_consent")
    with op.batch_alter_table("care_context_link", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_care_context_link_batch"))

    op.drop_table("care_context_link")
