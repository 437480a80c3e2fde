"""Tables of what comes in and goes out, of facilities and settings."""

from __future__ import annotations

import sqlalchemy as sa

from adapter.stores.schema import Utc, due_index, metadata, work_columns

facility = sa.Table(
    "facility",
    metadata,
    sa.Column("hfr_id", sa.String(64), primary_key=True),
    sa.Column("hip_id", sa.String(64), nullable=False, unique=True),
    sa.Column("name", sa.String(255)),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("facility_id", sa.String(64)),
    sa.Column("source", sa.String(8), nullable=False, server_default="setting"),
    sa.Column("registered_at", Utc),
    sa.Column("error", sa.String(64)),
    sa.Column("sentence", sa.String(500)),
    sa.UniqueConstraint("facility_id", name="uq_facility_facility_id"),
)

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("message", sa.String(64), nullable=False),
    sa.Column("dialect", sa.String(8), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("hip_id", sa.String(64)),
    sa.Column("hiu_id", sa.String(64)),
    sa.Column("sent_at", Utc),
    sa.Column("body_hash", sa.String(64), nullable=False),
    sa.Column("body", sa.LargeBinary),
    *work_columns(),
    sa.UniqueConstraint("message", "request_id", name="uq_inbox_request"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("message", sa.String(64), nullable=False),
    sa.Column("dialect", sa.String(8)),
    sa.Column("hip_id", sa.String(64)),
    sa.Column("hiu_id", sa.String(64)),
    sa.Column("response_to", sa.String(64)),
    sa.Column("conversation", sa.String(128)),
    sa.Column("position", sa.Integer),
    sa.Column("subject", sa.String(64)),
    sa.Column("body", sa.LargeBinary),
    sa.Column("answer_due_at", Utc),
    *work_columns(),
)

outbox_attempt = sa.Table(
    "outbox_attempt",
    metadata,
    sa.Column("request_id", sa.String(36), primary_key=True),
    sa.Column("outbox_id", sa.String(36), sa.ForeignKey("outbox.id"), nullable=False, index=True),
    sa.Column("sent_at", Utc, nullable=False),
    sa.Column("outcome", sa.String(64)),
)

setting = sa.Table(
    "setting",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

entity_resource = sa.Table(
    "entity_resource",
    metadata,
    sa.Column("entity", sa.String(64), primary_key=True),
    sa.Column("resource", sa.String(128), primary_key=True),
)

sa.Index("ix_outbox_conversation", outbox.c.conversation, outbox.c.position)
due_index(inbox)
due_index(outbox)
