"""The facility registry: facilities are found, and linked to bridges as HIP and HIU.

Its calls need a bearer only. Linking answers 200 also when it refuses. Source: M0/M1 document,
sections 8.5 and 8.6.
"""

import json
import re
from typing import Any

from conformance import schemas
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import Refusal, refusal
from conformance.simulator.facility_state import Facility
from conformance.simulator.lookups import PatientMistake
from conformance.simulator.operations import Operation
from conformance.simulator.state import Service

_NAME = re.compile(r"[A-Za-z0-9 ]{1,15}")
_PAGE = 10


def add_facility(
    simulator: Simulator,
    facility_id: str,
    name: str,
    address: str = "Link Road, Mumbai",
    status: str = "Approved",
    service_id: str | None = None,
) -> None:
    """Put a facility into the registry; linked, it gets `service_id` (its own id unless given)."""
    if not schemas.definition("FacilityId", "v3-m1").is_valid(facility_id):
        raise PatientMistake("A facility id is IN and ten capital letters or digits.")
    service = service_id or facility_id
    if not schemas.definition("ServiceId").is_valid(service):
        raise PatientMistake("A service id has letters and digits, with _ or - inside.")
    with simulator.state.changed:
        simulator.state.facilities[facility_id] = Facility(
            facility_id, name, address, status, service
        )


# -- calls -----------------------------------------------------------------------------------


def search(simulator: Simulator, call: Call) -> Reply:
    """FacilitySearchRequest: by id, or by a part of the name."""
    body = call.body
    if body.get("ownershipCode") == "" and set(body) <= {"ownershipCode", "page", "resultsPerPage"}:
        raise Refusal("HIS-1070", "Invalid ownership code", why="an empty ownershipCode alone")
    with simulator.state.changed:
        found = [
            {
                "facilityId": facility.id,
                "facilityName": facility.name,
                "address": facility.address,
                "facilityStatus": facility.status,
            }
            for facility in simulator.state.facilities.values()
            if body.get("facilityId", "") in ("", facility.id)
            and body.get("facilityName", "").casefold() in facility.name.casefold()
        ]
    size = body.get("resultsPerPage", _PAGE)
    start = (body.get("page", 1) - 1) * size
    return Reply(
        200,
        {
            "facilities": found[start : start + size],
            "message": "",
            "totalFacilities": len(found),
            "numberOfPages": -(-len(found) // size),
        },
    )


def link(simulator: Simulator, call: Call) -> Reply:
    """FacilityServiceRegistration: one service in one or more roles, under the caller's bridge."""
    body = call.body
    with simulator.state.changed:
        facility = simulator.state.facilities.get(body["facilityId"])
        if facility is None:
            raise refusal("404", "not found", status=404, shape="not-found", why="no such facility")
        service = simulator.state.services.get(facility.service_id)
        for entry in body["HRP"]:
            if problem := _problem(simulator, call.client_id, service, entry):
                return Reply(200, _failed(problem))
        if service is not None and all(_same(service, entry) for entry in body["HRP"]):
            return Reply(200, _failed(_associated(service)))
        if service is None:
            service = Service(facility.service_id, "", [], call.client_id)
            simulator.state.services[service.id] = service
        for entry in body["HRP"]:
            _apply(service, entry)
    return Reply(200, [{"servicesLinked": {"id": service.id, "name": service.name}}])


def _problem(
    simulator: Simulator, client_id: str, service: Service | None, entry: dict[str, Any]
) -> str | None:
    if entry["bridgeId"] != client_id:
        return f"Bridge {entry['bridgeId']} does not belong to this client"
    if not _NAME.fullmatch(entry["hipName"]):
        return "The HIP name may have at most 15 letters, digits and blanks"
    if service is not None and service.client_id != client_id:
        return _associated(service)
    others = (s for s in simulator.state.services.values() if s.client_id not in (None, client_id))
    if entry["hipName"].casefold() in {other.name.casefold() for other in others}:
        return "The HIP name is in use on another bridge"
    return None


def _associated(service: Service) -> str:
    return f"{service.client_id} already associated with facility, service id: {service.id}"


def _same(service: Service, entry: dict[str, Any]) -> bool:
    on = service.active and entry["type"] in service.types
    return (on, service.name) == (entry["active"], entry["hipName"])


def _apply(service: Service, entry: dict[str, Any]) -> None:
    service.name = entry["hipName"]
    kept = [role for role in service.types if role != entry["type"]]
    service.types = sorted([*kept, entry["type"]] if entry["active"] else kept)
    service.active = bool(service.types)


def _failed(message: str) -> list[dict[str, Any]]:
    return [{"error": {"code": "2500", "message": message}}]


# -- the table and its check -----------------------------------------------------------------

_LINK = "/v1/bridges/MutipleHRPAddUpdateServices"
_SEARCH = "/FacilityManagement/v1.5/facility/search"

_REGISTRATION = "FacilityServiceRegistration"

OPERATIONS: tuple[Operation, ...] = (
    Operation(_REGISTRATION, "POST", f"/v4/int{_LINK}", link, _REGISTRATION),
    Operation(_REGISTRATION, "POST", _LINK, link, _REGISTRATION),
    Operation("FacilitySearch", "POST", f"/v4/int{_SEARCH}", search, "FacilitySearchRequest"),
)


def check_registry_call(
    simulator: Simulator, operation: Operation, headers: dict[str, str], raw: bytes
) -> tuple[str, Any]:
    """(client id, body) of a call that may be handled; else raises a Refusal."""
    value = headers.get("AUTHORIZATION", "")
    if not value:
        raise refusal("900902", "Missing Credentials", status=401, shape="flat")
    client_id = simulator.client_of(value.removeprefix("Bearer "))
    with simulator.state.changed:
        known = client_id in simulator.state.bridges
    if client_id is None or not known:
        raise refusal("900901", status=401, shape="flat", why="the token is not valid")
    try:
        body = json.loads(raw or b"{}")
    except ValueError as error:
        raise refusal("ABDM-1006", why="unreadable JSON") from error
    wrong = schemas.problems(operation.schema or "", body)
    if wrong:
        raise refusal("ABDM-1006", why="; ".join(wrong))
    return client_id, body
