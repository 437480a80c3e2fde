"""The facilities served here: HFR id and HIP service id, for routing while FHIR is down.

The table mirrors `ABDM_FACILITIES`; `state` is CONFIGURED until the registry knows the service.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from adapter.config import Config
from adapter.stores.db import Tx, facility

CONFIGURED = "CONFIGURED"


@dataclass(frozen=True)
class Facility:
    """One row. `hip_id`: the service id that callbacks name; `name` as registered, if known."""

    hfr_id: str
    hip_id: str
    name: str | None
    state: str


def sync(tx: Tx, config: Config) -> None:
    """Make the table say what the setting says. Unchanged facilities keep name and state."""
    wanted = {(served.hfr_id, served.hip_id) for served in config.abdm_facilities}
    present = {(row.hfr_id, row.hip_id) for row in all_(tx)}
    for hfr_id, _ in present - wanted:
        tx.execute(sa.delete(facility).where(facility.c.hfr_id == hfr_id))
    # Two processes may start at once.
    insert = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    for hfr_id, hip_id in sorted(wanted - present):
        row = {"hfr_id": hfr_id, "hip_id": hip_id, "state": CONFIGURED}
        tx.execute(insert(facility).values(row).on_conflict_do_nothing())


def by_hip_id(tx: Tx, hip_id: str) -> Facility | None:
    """The facility whose callbacks carry `hip_id`, None where it is not served here."""
    row = tx.execute(sa.select(facility).where(facility.c.hip_id == hip_id)).one_or_none()
    return None if row is None else Facility(**row._mapping)


def all_(tx: Tx) -> list[Facility]:
    """Every facility served, by HFR id."""
    rows = tx.execute(sa.select(facility).order_by(facility.c.hfr_id))
    return [Facility(**row._mapping) for row in rows]


def served(tx: Tx) -> tuple[tuple[str, str], ...]:
    """(HFR id, HIP service id) of each facility."""
    return tuple((each.hfr_id, each.hip_id) for each in all_(tx))


def name_of(tx: Tx, hip_id: str) -> str | None:
    """The facility's name as registered, if we know it."""
    found = by_hip_id(tx, hip_id)
    return found.name if found else None
