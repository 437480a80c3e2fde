"""SQL of consents that have ended: one row each, never changed, never removed.

The Consent in FHIR is the record; this note takes effect while FHIR is down and cannot be
overtaken by a grant that is being stored at the same moment (see `flows.hip_consent`).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from adapter.rules.states import ConsentState
from adapter.stores.db import Tx, ended_consent

if TYPE_CHECKING:
    from adapter.runtime import Adapter


def mark_ended(
    tx: Tx, adapter: Adapter, artefact_id: str, state: ConsentState, now: datetime
) -> None:
    """Remember that an artefact ended. Never undone; the first word about it stays."""
    adapter.db.insert_new(
        tx, ended_consent, {"artefact_id": artefact_id, "state": state, "ended_at": now}
    )


def ended_state(tx: Tx, artefact_id: str) -> ConsentState | None:
    """How an artefact ended, if we were told so; readable while FHIR is down."""
    found = tx.scalar(
        sa.select(ended_consent.c.state).where(ended_consent.c.artefact_id == artefact_id)
    )
    return ConsentState(found) if found else None
