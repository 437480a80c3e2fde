"""Records of other hospitals: consent requests, artefacts given to us, pages in, the archive."""

import sqlalchemy as sa
from alembic import op

from adapter.stores.db import Utc

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archive",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("artefact_id", sa.String(length=64), nullable=False),
        sa.Column("hip_id", sa.String(length=64), nullable=False),
        sa.Column("hiu_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=True),
        sa.Column("care_context", sa.String(length=255), nullable=False),
        sa.Column("hi_type", sa.String(length=32), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("ended_at", Utc(), nullable=False),
        sa.Column("archived_at", Utc(), nullable=False),
        sa.Column("erase_at", Utc(), nullable=False),
        sa.Column("erased_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_archive_artefact_id"), "archive", ["artefact_id"], unique=False)
    op.create_table(
        "consent_request",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("abdm_id", sa.String(length=64), nullable=True),
        sa.Column("repeat_id", sa.String(length=64), nullable=True),
        sa.Column("hiu_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=True),
        sa.Column("dialect", sa.String(length=8), nullable=False),
        sa.Column("requester", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("shown", sa.String(length=16), nullable=False),
        sa.Column("poll_at", Utc(), nullable=True),
        sa.Column("polls", sa.Integer(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("done_at", Utc(), nullable=True),
        sa.Column("error", sa.String(length=64), nullable=True),
        sa.Column("sentence", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("abdm_id"),
        sa.UniqueConstraint("repeat_id"),
    )
    op.create_table(
        "incoming",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("artefact_id", sa.String(length=64), nullable=False),
        sa.Column("transaction_id", sa.String(length=64), nullable=True),
        sa.Column("hip_id", sa.String(length=64), nullable=False),
        sa.Column("hiu_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=True),
        sa.Column("dialect", sa.String(length=8), nullable=False),
        sa.Column("push_token_hash", sa.String(length=64), nullable=False),
        sa.Column("keys", sa.LargeBinary(), nullable=True),
        sa.Column("public_key", sa.Text(), nullable=True),
        sa.Column("nonce", sa.String(length=64), nullable=True),
        sa.Column("keys_until", Utc(), nullable=False),
        sa.Column("page_count", sa.Integer(), nullable=True),
        sa.Column("last_page_at", Utc(), nullable=True),
        sa.Column("notified_at", Utc(), nullable=True),
        sa.Column("audited_at", Utc(), nullable=True),
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
        sa.UniqueConstraint("push_token_hash"),
    )
    op.create_index(op.f("ix_incoming_artefact_id"), "incoming", ["artefact_id"], unique=False)
    op.create_index("ix_incoming_due", "incoming", ["state", "due_at"], unique=False)
    op.create_index(
        op.f("ix_incoming_transaction_id"), "incoming", ["transaction_id"], unique=False
    )
    op.create_table(
        "received_resource",
        sa.Column("artefact_id", sa.String(length=64), nullable=False),
        sa.Column("resource", sa.String(length=128), nullable=False),
        sa.Column("document_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("artefact_id", "resource"),
    )
    op.create_index(
        op.f("ix_received_resource_document_id"), "received_resource", ["document_id"], unique=False
    )
    op.create_table(
        "archive_chunk",
        sa.Column("archive_id", sa.String(length=64), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["archive_id"],
            ["archive.id"],
        ),
        sa.PrimaryKeyConstraint("archive_id", "n"),
    )
    op.create_table(
        "hiu_artefact",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=True),
        sa.Column("hiu_id", sa.String(length=64), nullable=False),
        sa.Column("hip_id", sa.String(length=64), nullable=True),
        sa.Column("patient_id", sa.String(length=64), nullable=True),
        sa.Column("dialect", sa.String(length=8), nullable=False),
        sa.Column("erase_at", Utc(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("asked_at", Utc(), nullable=True),
        sa.Column("asks", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("archived_at", Utc(), nullable=True),
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
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["consent_request.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_hiu_artefact_due", "hiu_artefact", ["state", "due_at"], unique=False)
    op.create_index(
        op.f("ix_hiu_artefact_request_id"), "hiu_artefact", ["request_id"], unique=False
    )
    op.create_table(
        "incoming_page",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("incoming_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("page_count", sa.Integer(), nullable=False),
        sa.Column("transaction_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("frame", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.Column("sentence", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(
            ["incoming_id"],
            ["incoming.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("incoming_id", "number", "digest", name="uq_incoming_page"),
    )
    op.create_table(
        "received_document",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("artefact_id", sa.String(length=64), nullable=False),
        sa.Column("incoming_id", sa.String(length=36), nullable=False),
        sa.Column("transaction_id", sa.String(length=64), nullable=True),
        sa.Column("hip_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=True),
        sa.Column("care_context", sa.String(length=255), nullable=False),
        sa.Column("hi_type", sa.String(length=32), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("stored", sa.Integer(), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.Column("stored_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(
            ["incoming_id"],
            ["incoming.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        op.f("ix_received_document_artefact_id"), "received_document", ["artefact_id"], unique=False
    )
    op.create_index(
        op.f("ix_received_document_patient_id"), "received_document", ["patient_id"], unique=False
    )
    op.create_table(
        "incoming_context",
        sa.Column("incoming_id", sa.String(length=36), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incoming_id"],
            ["incoming.id"],
        ),
        sa.PrimaryKeyConstraint("incoming_id", "reference"),
    )
    op.create_table(
        "incoming_entry",
        sa.Column("page_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.String(length=64), nullable=True),
        sa.Column("sentence", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(
            ["page_id"],
            ["incoming_page.id"],
        ),
        sa.PrimaryKeyConstraint("page_id", "position"),
    )
    op.create_table(
        "incoming_chunk",
        sa.Column("page_id", sa.String(length=36), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["page_id"],
            ["incoming_page.id"],
        ),
        sa.PrimaryKeyConstraint("page_id", "n"),
    )


def downgrade() -> None:
    op.drop_table("incoming_chunk")
    op.drop_table("incoming_entry")
    op.drop_table("incoming_context")
    op.drop_index(op.f("ix_received_document_patient_id"), table_name="received_document")
    op.drop_index(op.f("ix_received_document_artefact_id"), table_name="received_document")
    op.drop_table("received_document")
    op.drop_table("incoming_page")
    op.drop_index(op.f("ix_hiu_artefact_request_id"), table_name="hiu_artefact")
    op.drop_index("ix_hiu_artefact_due", table_name="hiu_artefact")
    op.drop_table("hiu_artefact")
    op.drop_table("archive_chunk")
    op.drop_index(op.f("ix_received_resource_document_id"), table_name="received_resource")
    op.drop_table("received_resource")
    op.drop_index(op.f("ix_incoming_transaction_id"), table_name="incoming")
    op.drop_index("ix_incoming_due", table_name="incoming")
    op.drop_index(op.f("ix_incoming_artefact_id"), table_name="incoming")
    op.drop_table("incoming")
    op.drop_table("consent_request")
    op.drop_index(op.f("ix_archive_artefact_id"), table_name="archive")
    op.drop_table("archive")
