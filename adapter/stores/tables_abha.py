"""Tables of ABHA profiles, of the steps towards them, and of queues at counters."""

from __future__ import annotations

import sqlalchemy as sa

from adapter.stores.schema import Utc, metadata

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
