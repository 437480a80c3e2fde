"""The facilities served here: HFR id and HIP service id, for routing while FHIR is down.

`ABDM_FACILITIES` fills the table at each start; facilities added by a hospital's system or a
command (`source` "added") stay until they are removed there. A service id that the gateway's list
taught us stands until the setting states another. `facility_id` is the hospital's own id.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from adapter.config import Config
from adapter.rules.states import FacilityState
from adapter.stores.db import Tx, facility

CONFIGURED = FacilityState.CONFIGURED


@dataclass(frozen=True)
class Facility:
    """One row. `hip_id`: the service id that callbacks name; `name` as registered, if known."""

    hfr_id: str
    hip_id: str
    name: str | None
    state: str
    facility_id: str | None = None
    source: str = "setting"
    registered_at: datetime | None = None
    error: str | None = None
    sentence: str | None = None

    @property
    def registered(self) -> bool:
        """Whether ABDM has the facility as HIP and HIU of our bridge."""
        return self.state == FacilityState.REGISTERED


def sync(tx: Tx, config: Config) -> None:
    """Make the table say what the setting says. Unchanged facilities keep name and state."""
    wanted = {served.hfr_id: served.hip_id for served in config.abdm_facilities}
    present = {row.hfr_id: row for row in all_(tx)}
    for hfr_id, row in present.items():
        stated = wanted.get(hfr_id)
        learned = stated == hfr_id and row.registered
        if (stated is None and row.source == "setting") or (
            stated is not None and stated != row.hip_id and not learned
        ):
            tx.execute(sa.delete(facility).where(facility.c.hfr_id == hfr_id))
    for hfr_id, hip_id in sorted(wanted.items()):
        insert_new(tx, {"hfr_id": hfr_id, "hip_id": hip_id, "state": CONFIGURED})


def insert_new(tx: Tx, values: dict[str, Any]) -> bool:
    """Insert a facility unless its HFR id, service id or own id is taken; whether it was."""
    # Two processes may start at once.
    insert = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    made = insert(facility).values(values).on_conflict_do_nothing()
    return tx.execute(made.execution_options(preserve_rowcount=True)).rowcount == 1


def change(tx: Tx, hfr_id: str, **values: Any) -> None:
    """Change a facility's columns."""
    tx.execute(sa.update(facility).where(facility.c.hfr_id == hfr_id).values(values))


def by_hip_id(tx: Tx, hip_id: str) -> Facility | None:
    """The facility whose callbacks carry `hip_id`, None where it is not served here."""
    return _one(tx, facility.c.hip_id == hip_id)


def by_hfr_id(tx: Tx, hfr_id: str) -> Facility | None:
    """The facility of this HFR id, None where it is not served here."""
    return _one(tx, facility.c.hfr_id == hfr_id)


def by_facility_id(tx: Tx, facility_id: str) -> Facility | None:
    """The facility with this id of the hospital's own."""
    return _one(tx, facility.c.facility_id == facility_id)


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


def _one(tx: Tx, where: sa.ColumnElement[bool]) -> Facility | None:
    row = tx.execute(sa.select(facility).where(where)).one_or_none()
    return None if row is None else Facility(**row._mapping)
