"""Scan and pull: a patient shows the QR of their ABHA card or app (case QR-READ).

What it says is unverified, so it finds a patient only by its identifiers; who else may be meant is
shown to the desk. Linking asks ABDM for a link token, which it gives only if the details are those
of the ABHA.
"""

from __future__ import annotations

from adapter.flows import abha_linking
from adapter.flows.abha_desk import Desk
from adapter.flows.abha_linking import Match
from adapter.rules import qr
from adapter.runtime import Adapter
from adapter.stores import abha_profiles
from adapter.stores.abha_profiles import ProfileRow


def scan(adapter: Adapter, desk: Desk, hip_id: str, content: str) -> tuple[ProfileRow, Match]:
    """The profile of a scanned QR, kept, and whom it is about.

    Raises MalformedRequest with what to scan instead, Conflict (see `abha_profiles.note`),
    FhirUnavailable (the profile is kept all the same).
    """
    told = qr.read_card(content)
    with adapter.db.transaction() as tx:
        row = abha_profiles.note(tx, adapter, told, source="qr", hip_id=hip_id, verified=False)
    return row, abha_linking.match_profile(adapter, row)


def counter_url(adapter: Adapter, hip_id: str, counter: str) -> str:
    """The text of a counter's own QR. Raises MalformedRequest."""
    config = adapter.config
    phr = config.phr_url or qr.PHR_HOSTS.get(config.x_cm_id, qr.PHR_HOSTS["sbx"])
    return qr.counter_url(phr, hip_id, counter)
