"""Tables of linking: tokens, sessions, links, the record watch, SMS."""

from __future__ import annotations

import sqlalchemy as sa

from adapter.stores.schema import Utc, metadata

link_token = sa.Table(
    "link_token",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("hip_id", sa.String(64), nullable=False),
    sa.Column("abha_address", sa.String(255), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("token", sa.LargeBinary),
    sa.Column("request", sa.LargeBinary),
    sa.Column("requested_at", Utc, nullable=False),
    sa.Column("expires_at", Utc),
    sa.Column("error", sa.String(64)),
    sa.Column("sentence", sa.String(500)),
    sa.UniqueConstraint("hip_id", "abha_address", name="uq_link_token_pair"),
)

link_challenge = sa.Table(
    "link_challenge",
    metadata,
    sa.Column("token_id", sa.String(36), primary_key=True),
    sa.Column("hip_id", sa.String(64), nullable=False),
    sa.Column("transaction_id", sa.String(64), nullable=False),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("hint", sa.String(64)),
    sa.Column("dialect", sa.String(8), nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("expires_at", Utc, nullable=False),
    sa.Column("sentence", sa.String(500)),
    sa.UniqueConstraint("hip_id", "transaction_id", name="uq_link_challenge_transaction"),
)

link_session = sa.Table(
    "link_session",
    metadata,
    sa.Column("transaction_id", sa.String(64), primary_key=True),
    sa.Column("hip_id", sa.String(64), nullable=False),
    sa.Column("abha_address", sa.String(255), nullable=False),
    sa.Column("patient_id", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("offered", sa.LargeBinary, nullable=False),
    sa.Column("chosen", sa.LargeBinary),
    sa.Column("link_reference", sa.String(36), unique=True),
    sa.Column("otp_hash", sa.String(128)),
    sa.Column("otp_hint", sa.String(32)),
    sa.Column("otp_expires_at", Utc),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("dialect", sa.String(8), nullable=False),
    sa.Column("init_request_id", sa.String(64)),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("expires_at", Utc, nullable=False),
)

care_context_link = sa.Table(
    "care_context_link",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("hip_id", sa.String(64), nullable=False),
    sa.Column("patient_id", sa.String(64), nullable=False),
    sa.Column("patient_reference", sa.String(255), nullable=False),
    sa.Column("reference", sa.String(255), nullable=False),
    sa.Column("hi_type", sa.String(32), nullable=False),
    sa.Column("display", sa.String(255), nullable=False),
    sa.Column("abha_address", sa.String(255)),
    sa.Column("state", sa.String(24), nullable=False),
    sa.Column("batch", sa.String(36), index=True),
    sa.Column("requester", sa.String(255), nullable=False),
    sa.Column("notices", sa.Integer, nullable=False, default=0),
    sa.Column("error", sa.String(64)),
    sa.Column("sentence", sa.String(500)),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("linked_at", Utc),
    # When ABDM is told of changed content; several changes until then are told at once.
    sa.Column("update_due_at", Utc),
    # What a person has to know of a link that is in order by itself.
    sa.Column("remark", sa.String(500)),
    sa.Column("content", sa.String(64)),
    sa.Column("retries", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("again_at", Utc),
    sa.UniqueConstraint("hip_id", "patient_id", "reference", "hi_type", name="uq_link_context"),
    sa.Index("ix_care_context_link_patient_id", "patient_id"),
    sa.Index("ix_care_context_link_state", "state"),
)

#: What the record watch does and when: a row for each type searched, and for its other chores.
watch = sa.Table(
    "watch",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("watermark", Utc),
    sa.Column("due_at", Utc, nullable=False),
    sa.Column("lease_until", Utc),
    sa.Column("lease_id", sa.String(36)),
    sa.Column("created_at", Utc, nullable=False),
)

#: Versions that a search has shown already; the next ones overlap with it.
watch_seen = sa.Table(
    "watch_seen",
    metadata,
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("resource_type", sa.String(64), nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("seen_at", Utc, nullable=False),
    sa.Index("ix_watch_seen_type", "resource_type", "seen_at"),
)

#: Visits and patients to be looked at because a record of theirs has changed.
watch_item = sa.Table(
    "watch_item",
    metadata,
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("ticket", sa.String(36), nullable=False),
    sa.Column("requester", sa.String(255), nullable=False),
    sa.Column("any_age", sa.Boolean, nullable=False),
    sa.Column("due_at", Utc, nullable=False, index=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("sentence", sa.String(500)),
)

# How often ABDM may be asked about an ABHA address: one row each, whichever facility asks.
link_pace = sa.Table(
    "link_pace",
    metadata,
    sa.Column("abha_address", sa.String(255), primary_key=True),
    # When the last request for a link token left.
    sa.Column("asked_at", Utc),
    # Times of refused calls, the oldest first (ISO 8601).
    sa.Column("refusals", sa.JSON, nullable=False),
    sa.Column("blocked_until", Utc),
)

# Patients who want nothing linked or released.
opt_out = sa.Table(
    "opt_out",
    metadata,
    sa.Column("patient_id", sa.String(64), primary_key=True),
    sa.Column("requester", sa.String(255), nullable=False),
    sa.Column("created_at", Utc, nullable=False),
)

# One row a visit whose patient was told by SMS that ABDM can show it.
sms_notice = sa.Table(
    "sms_notice",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("hip_id", sa.String(64), nullable=False),
    sa.Column("patient_id", sa.String(64), nullable=False),
    sa.Column("reference", sa.String(255), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("closed_at", Utc),
    sa.Column("sentence", sa.String(500)),
    sa.UniqueConstraint("hip_id", "reference", name="uq_sms_notice_visit"),
)
