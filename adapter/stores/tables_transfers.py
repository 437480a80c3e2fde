"""Tables of transfers out, and of consents that have ended for us as HIP."""

from __future__ import annotations

import sqlalchemy as sa

from adapter.stores.schema import Utc, due_index, metadata, work_columns

transfer = sa.Table(
    "transfer",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("direction", sa.String(3), nullable=False),
    sa.Column("transaction_id", sa.String(64), nullable=False),
    sa.Column("consent_id", sa.String(64), nullable=False, index=True),
    sa.Column("hip_id", sa.String(64), nullable=False),
    sa.Column("hiu_id", sa.String(64)),
    sa.Column("patient_id", sa.String(64)),
    sa.Column("dialect", sa.String(8), nullable=False),
    sa.Column("request", sa.LargeBinary),
    sa.Column("push_host", sa.String(255)),
    sa.Column("page_count", sa.Integer),
    *work_columns(),
    sa.UniqueConstraint("direction", "transaction_id", name="uq_transfer_transaction"),
)

transfer_context = sa.Table(
    "transfer_context",
    metadata,
    sa.Column("transfer_id", sa.String(36), sa.ForeignKey("transfer.id"), primary_key=True),
    sa.Column("reference", sa.String(255), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("sentence", sa.String(255)),
)

page = sa.Table(
    "page",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("transfer_id", sa.String(36), sa.ForeignKey("transfer.id"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("reference", sa.String(255), nullable=False),
    sa.Column("hi_type", sa.String(32), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("nonce", sa.String(64), nullable=False),
    sa.Column("checksum", sa.String(32), nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("sent_at", Utc),
    sa.Column("sentence", sa.String(255)),
    sa.UniqueConstraint("transfer_id", "number", name="uq_page_number"),
)

page_chunk = sa.Table(
    "page_chunk",
    metadata,
    sa.Column("page_id", sa.String(36), sa.ForeignKey("page.id"), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

ended_consent = sa.Table(
    "ended_consent",
    metadata,
    sa.Column("artefact_id", sa.String(64), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("ended_at", Utc, nullable=False),
)

due_index(transfer)
