"""Which facility an entity belongs to, and whether the caller may act for that facility. Pure."""

from __future__ import annotations

from collections.abc import Callable

from adapter.rules.entities import Mapped
from mappings import systems
from mappings.resources import Resource, as_list


def hfr_ids(organization: Resource) -> frozenset[str]:
    """The HFR ids of an Organization."""
    return frozenset(
        each["value"]
        for each in as_list(organization.get("identifier"))
        if each.get("system") == systems.HFR_ID and each.get("value")
    )


def claimed_hfr_ids(entity: Mapped) -> frozenset[str]:
    """The HFR ids that a facility entity gives itself; none for other kinds."""
    if entity.kind != "facility":
        return frozenset()
    return frozenset().union(
        *(hfr_ids(r) for r in entity.resources if r["resourceType"] == "Organization")
    )


def may_be_stored(
    entity: Mapped,
    stored: frozenset[str],
    claimed: frozenset[str],
    may_act_for: Callable[[str], bool],
) -> bool:
    """Whether the caller may act for the facility that an entity belongs to.

    Args:
        stored: HFR ids of the facility's Organization in the FHIR server. They decide where there
            are any, so that nobody takes over a facility by claiming another HFR id for it.
        claimed: HFR ids that the facility entity itself gives, if it came in the same batch.
        may_act_for: of the caller, for an HFR id.
    """
    named = stored | claimed if entity.kind == "facility" else stored or claimed
    return all(map(may_act_for, named or {entity.facility}))
