"""The adapter's own tables, and the one way to write them.

SQLite (WAL) serves one process; several processes need PostgreSQL. Every writing transaction takes
its lock at the start (`BEGIN IMMEDIATE`): with four writers, deferred transactions failed 324 times
in 400, immediate ones never. Health data stands here only sealed or encrypted (architecture 5).
The schema is made by Alembic (`migrations/`) from these tables; times are aware UTC.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.types import TypeDecorator

Tx = Connection


class Utc(TypeDecorator[datetime]):
    """An aware UTC datetime; naive values are a fault of ours and refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Write as UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone was to be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """Read as aware UTC (SQLite drops the zone)."""
        if value is None:
            return None
        read: datetime = value
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


metadata = sa.MetaData()


def _work_columns() -> list[sa.Column[Any]]:
    """Columns of every table whose rows are claimed by workers (see `claim`)."""
    return [
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due_at", Utc, nullable=False),
        sa.Column("deadline", Utc, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, default=0),
        sa.Column("lease_until", Utc),
        sa.Column("lease_id", sa.String(36)),
        sa.Column("created_at", Utc, nullable=False),
        sa.Column("done_at", Utc),
        sa.Column("error", sa.String(64)),
        sa.Column("sentence", sa.String(500)),
    ]


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
    *_work_columns(),
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
    *_work_columns(),
)

outbox_attempt = sa.Table(
    "outbox_attempt",
    metadata,
    sa.Column("request_id", sa.String(36), primary_key=True),
    sa.Column("outbox_id", sa.String(36), sa.ForeignKey("outbox.id"), nullable=False, index=True),
    sa.Column("sent_at", Utc, nullable=False),
    sa.Column("outcome", sa.String(64)),
)

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
    *_work_columns(),
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

consent_request = sa.Table(
    "consent_request",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("abdm_id", sa.String(64), unique=True),
    # An unanswered request is sent once more; ABDM may answer both, with an id each.
    sa.Column("repeat_id", sa.String(64), unique=True),
    sa.Column("hiu_id", sa.String(64), nullable=False),
    sa.Column("patient_id", sa.String(64)),
    sa.Column("dialect", sa.String(8), nullable=False),
    sa.Column("requester", sa.String(255), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    # The state that the Consent in FHIR shows.
    sa.Column("shown", sa.String(16), nullable=False),
    sa.Column("poll_at", Utc),
    sa.Column("polls", sa.Integer, nullable=False, default=0),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("done_at", Utc),
    sa.Column("error", sa.String(64)),
    sa.Column("sentence", sa.String(500)),
)

# One row an artefact given to us as HIU. Its work columns drive what follows its end: `due_at` is
# dataEraseAt while it is granted, now once it is revoked, the end of the retention once archived.
hiu_artefact = sa.Table(
    "hiu_artefact",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("request_id", sa.String(36), sa.ForeignKey("consent_request.id"), index=True),
    sa.Column("hiu_id", sa.String(64), nullable=False),
    sa.Column("hip_id", sa.String(64)),
    sa.Column("patient_id", sa.String(64)),
    sa.Column("dialect", sa.String(8), nullable=False),
    sa.Column("erase_at", Utc),
    # The artefact as fetched, sealed: readable when its Consent in FHIR is a tombstone.
    sa.Column("content", sa.LargeBinary),
    # When ABDM was last asked for the artefact, and how often.
    sa.Column("asked_at", Utc),
    sa.Column("asks", sa.Integer, nullable=False, default=0),
    # How it ended (REVOKED or EXPIRED); the state moves on to ARCHIVED and ERASED.
    sa.Column("reason", sa.String(16)),
    sa.Column("ended_at", Utc),
    sa.Column("archived_at", Utc),
    *_work_columns(),
)

incoming = sa.Table(
    "incoming",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("artefact_id", sa.String(64), nullable=False, index=True),
    sa.Column("transaction_id", sa.String(64), index=True),
    sa.Column("hip_id", sa.String(64), nullable=False),
    sa.Column("hiu_id", sa.String(64), nullable=False),
    sa.Column("patient_id", sa.String(64)),
    sa.Column("dialect", sa.String(8), nullable=False),
    sa.Column("push_token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("keys", sa.LargeBinary),
    sa.Column("public_key", sa.Text),
    sa.Column("nonce", sa.String(64)),
    sa.Column("keys_until", Utc, nullable=False),
    sa.Column("page_count", sa.Integer),
    sa.Column("last_page_at", Utc),
    sa.Column("notified_at", Utc),
    sa.Column("audited_at", Utc),
    *_work_columns(),
)

# The care contexts of the artefact that a transfer in is to cover.
incoming_context = sa.Table(
    "incoming_context",
    metadata,
    sa.Column("incoming_id", sa.String(36), sa.ForeignKey("incoming.id"), primary_key=True),
    sa.Column("reference", sa.String(255), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
)

incoming_page = sa.Table(
    "incoming_page",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("incoming_id", sa.String(36), sa.ForeignKey("incoming.id"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("page_count", sa.Integer, nullable=False),
    sa.Column("transaction_id", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("frame", sa.LargeBinary),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("received_at", Utc, nullable=False),
    sa.Column("sentence", sa.String(500)),
    sa.UniqueConstraint("incoming_id", "number", "digest", name="uq_incoming_page"),
)

# What became of each entry of a page.
incoming_entry = sa.Table(
    "incoming_entry",
    metadata,
    sa.Column("page_id", sa.String(36), sa.ForeignKey("incoming_page.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("reference", sa.String(255), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("document_id", sa.String(64)),
    sa.Column("sentence", sa.String(500)),
)

incoming_chunk = sa.Table(
    "incoming_chunk",
    metadata,
    sa.Column("page_id", sa.String(36), sa.ForeignKey("incoming_page.id"), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

# What became of each document received: ids, digest and sentences, never content.
received_document = sa.Table(
    "received_document",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("artefact_id", sa.String(64), nullable=False, index=True),
    sa.Column("incoming_id", sa.String(36), sa.ForeignKey("incoming.id"), nullable=False),
    sa.Column("transaction_id", sa.String(64)),
    sa.Column("hip_id", sa.String(64), nullable=False),
    sa.Column("patient_id", sa.String(64), index=True),
    sa.Column("care_context", sa.String(255), nullable=False),
    sa.Column("hi_type", sa.String(32)),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("stored", sa.Integer, nullable=False, default=0),
    sa.Column("flags", sa.JSON, nullable=False),
    sa.Column("received_at", Utc, nullable=False),
    # None: noted, and its write to FHIR is under way or was interrupted.
    sa.Column("stored_at", Utc),
)

# Every FHIR resource that a received document was or will be written to, noted BEFORE the write:
# what ends with the artefact is then known whatever was interrupted.
received_resource = sa.Table(
    "received_resource",
    metadata,
    sa.Column("artefact_id", sa.String(64), primary_key=True),
    sa.Column("resource", sa.String(128), primary_key=True),
    sa.Column("document_id", sa.String(64), nullable=False, index=True),
)

archive = sa.Table(
    "archive",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("artefact_id", sa.String(64), nullable=False, index=True),
    sa.Column("hip_id", sa.String(64), nullable=False),
    sa.Column("hiu_id", sa.String(64), nullable=False),
    sa.Column("patient_id", sa.String(64)),
    sa.Column("care_context", sa.String(255), nullable=False),
    sa.Column("hi_type", sa.String(32)),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("reason", sa.String(16), nullable=False),
    sa.Column("ended_at", Utc, nullable=False),
    sa.Column("archived_at", Utc, nullable=False),
    sa.Column("erase_at", Utc, nullable=False),
    sa.Column("erased_at", Utc),
)

archive_chunk = sa.Table(
    "archive_chunk",
    metadata,
    sa.Column("archive_id", sa.String(64), sa.ForeignKey("archive.id"), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

# What ABDM told of a person, sealed; the two identifiers stand open because each may be here once.
# `patient_id` is claimed before FHIR is written, `linked_at` says that it was. `due_at`: a link
# still to be made in the background. `seen_at`: the service ids of the facilities it was shown to.
abha_profile = sa.Table(
    "abha_profile",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("abha_number", sa.String(14), unique=True),
    sa.Column("abha_address", sa.String(255), unique=True),
    sa.Column("patient_id", sa.String(64), unique=True),
    sa.Column("linked_at", Utc),
    sa.Column("due_at", Utc, index=True),
    sa.Column("source", sa.String(16), nullable=False),
    sa.Column("new", sa.Boolean, nullable=False, default=False),
    sa.Column("verified", sa.Boolean, nullable=False, default=False),
    sa.Column("active", sa.Boolean, nullable=False, default=True),
    sa.Column("seen_at", sa.JSON, nullable=False),
    sa.Column("profile", sa.LargeBinary, nullable=False),
    sa.Column("tokens", sa.LargeBinary),
    sa.Column("consent", sa.JSON),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("updated_at", Utc, nullable=False),
    sa.Column("sentence", sa.String(500)),
)

abha_transaction = sa.Table(
    "abha_transaction",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("hip_id", sa.String(64), nullable=False),
    sa.Column("requester", sa.String(255), nullable=False),
    sa.Column("patient_id", sa.String(64)),
    sa.Column("profile_id", sa.String(36), sa.ForeignKey("abha_profile.id"), index=True),
    sa.Column("secret", sa.LargeBinary),
    sa.Column("consent", sa.JSON),
    sa.Column("mobile_pending", sa.Boolean, nullable=False, default=False),
    sa.Column("sends", sa.Integer, nullable=False, default=0),
    sa.Column("sent_at", Utc),
    sa.Column("wrong", sa.Integer, nullable=False, default=0),
    sa.Column("busy_until", Utc),
    sa.Column("busy_id", sa.String(36)),
    sa.Column("expires_at", Utc, nullable=False, index=True),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("updated_at", Utc, nullable=False),
    sa.Column("error", sa.String(64)),
    sa.Column("sentence", sa.String(500)),
)

queue_counter = sa.Table(
    "queue_counter",
    metadata,
    sa.Column("hip_id", sa.String(64), primary_key=True),
    sa.Column("counter", sa.String(64), primary_key=True),
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("last", sa.Integer, nullable=False),
)

queue_token = sa.Table(
    "queue_token",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("hip_id", sa.String(64), nullable=False),
    sa.Column("counter", sa.String(64), nullable=False),
    sa.Column("day", sa.String(10), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("profile_id", sa.String(36), sa.ForeignKey("abha_profile.id"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("issued_at", Utc, nullable=False),
    sa.Column("expires_at", Utc, nullable=False, index=True),
    sa.Column("called_at", Utc),
    sa.Column("served_at", Utc),
    sa.UniqueConstraint("hip_id", "counter", "day", "number", name="uq_queue_token_number"),
)

sa.Index("ix_outbox_conversation", outbox.c.conversation, outbox.c.position)
for _table in (inbox, outbox, transfer, incoming, hiu_artefact):
    sa.Index(f"ix_{_table.name}_due", _table.c.state, _table.c.due_at)


class Database:
    """An engine and its transactions. Make it after a fork, never before."""

    def __init__(self, url: str) -> None:
        self.url: URL = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        if self.url.get_backend_name() == "postgresql" and "+" not in self.url.drivername:
            self.url = self.url.set(drivername="postgresql+psycopg")
        if self.sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        # Parameters hold identifiers and ciphertext: they stay out of error texts.
        self.engine = sa.create_engine(
            self.url, pool_pre_ping=not self.sqlite, hide_parameters=True
        )
        self._writer = threading.RLock()
        self._writing: Connection | None = None
        if self.sqlite:
            event.listen(self.engine, "connect", _sqlite_connect)
            event.listen(self.engine, "begin", _sqlite_begin)

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        """A writing transaction: commits on leaving, rolls back on any exception."""
        if not self.sqlite:
            with self.engine.begin() as tx:
                yield tx
            return
        with self._writer:
            # Always the same connection: another one would first have to read again what this one
            # has just written, and its statements are compiled already.
            connection = self._writing
            if connection is None:
                connection = self.engine.connect().execution_options(immediate=True)
            self._writing = None
            try:
                with connection.begin():
                    yield connection
            except BaseException:
                connection.close()
                raise
            self._writing = connection

    @contextmanager
    def reading(self) -> Iterator[Tx]:
        """A transaction that only reads."""
        with self.engine.connect() as connection:
            yield connection

    def insert_new(self, tx: Tx, table: sa.Table, values: dict[str, Any]) -> bool:
        """Insert a row unless one of its unique keys is taken; whether it was inserted."""
        done = tx.execute(_insert_new(table, self.sqlite), values)
        return done.rowcount == 1

    def close(self) -> None:
        """Release the connections."""
        with self._writer:
            if self._writing is not None:
                self._writing.close()
                self._writing = None
        self.engine.dispose()


@cache
def _insert_new(table: sa.Table, sqlite: bool) -> sa.Executable:
    # Built once: building it anew costs as much as running it, and each callback runs it.
    insert = sqlite_insert if sqlite else postgresql_insert
    # Without the option SQLAlchemy reports -1 for an INSERT on PostgreSQL.
    return insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


def _sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=5000",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
