"""Tables of records from other hospitals, from the consent request to the archive."""

from __future__ import annotations

import sqlalchemy as sa

from adapter.stores.schema import Utc, due_index, metadata, work_columns

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
    *work_columns(),
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
    *work_columns(),
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

due_index(incoming)
due_index(hiu_artefact)
