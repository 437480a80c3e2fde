"""Gateway of the older generation: sessions, keys, heartbeat, bridge URL, services.

Source: NDHM's files for the gateway and the dev service; v1 document, sections 2 and 9.4.
"""

from typing import Any

from conformance.simulator import gateway
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import Refusal, refusal
from conformance.simulator.state import Service
from conformance.simulator.times import now, timestamp

#: What a service with these types is called; other mixtures have no name there.
_ROLES = {
    frozenset({"HIP"}): "HIP",
    frozenset({"HIU"}): "HIU",
    frozenset({"HIP", "HIU"}): "HIP_AND_HIU",
    frozenset({"HEALTH_LOCKER"}): "HEALTH_LOCKER",
}


def create_session(simulator: Simulator, call: Call) -> Reply:
    """sessions: as in V3, signed by this generation's keys, answered 200."""
    if call.body["grantType"] == "refresh_token" and "refreshToken" not in call.body:
        raise refusal("ABDM-1006", why="grantType refresh_token without a refreshToken")
    return Reply(200, gateway.session_of(simulator, call.body, "v0.5"))


def certs(simulator: Simulator, _call: Call) -> Reply:
    """certs: another key set than V3's."""
    return Reply(200, simulator.realm_of("v0.5").published())


def openid_configuration(simulator: Simulator, _call: Call) -> Reply:
    """Where the keys are."""
    base = simulator.config.public_url.rstrip("/")
    return Reply(200, {"jwks_uri": f"{base}/gateway/v0.5/certs"})


def heartbeat(_simulator: Simulator, _call: Call) -> Reply:
    """The gateway is up."""
    return Reply(200, {"timestamp": timestamp(now()), "status": "UP"})


def update_bridge_url(simulator: Simulator, call: Call) -> Reply:
    """PATCH bridges: takes effect at once."""
    gateway.update_bridge_url(simulator, call)
    return Reply(200)


def bridge_services(simulator: Simulator, call: Call) -> Reply:
    """getServices: the list may be empty, and there is always an answer."""
    with simulator.state.changed:
        return Reply(200, gateway.described_bridge(simulator, call.client_id))


def service_profile(simulator: Simulator, call: Call) -> Reply:
    """hi-services: one service of any bridge; endpoints are kept of none."""
    with simulator.state.changed:
        service = simulator.state.services.get(call.arguments["service_id"])
        if service is None:
            raise Refusal("2404", "The service does not exist", status=404)
        profile = {
            "id": service.id,
            "name": service.name,
            "endpoints": [],
            "active": service.active,
        }
        role = _ROLES.get(frozenset(service.types))
    return Reply(200, profile | ({"type": role} if role else {}))


def update_services(simulator: Simulator, call: Call) -> Reply:
    """addUpdateServices: a service takes the roles that are switched on for it."""
    with simulator.state.changed:
        for entry in call.body:
            service = simulator.state.services.get(entry["id"])
            if service is not None and service.client_id != call.client_id:
                raise refusal("ABDM-1035", why="the service is another bridge's")
        for entry in call.body:
            _apply(simulator.state.services, call.client_id, entry)
    return Reply(200)


def _apply(services: dict[str, Service], client_id: str, entry: dict[str, Any]) -> None:
    service = services.setdefault(entry["id"], Service(entry["id"], "", [], client_id))
    service.name = entry["name"]
    kept = [role for role in service.types if role != entry["type"]]
    service.types = sorted([*kept, entry["type"]] if entry["active"] else kept)
    service.active = bool(service.types)
