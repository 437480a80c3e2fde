"""Gateway: sessions, keys, bridge URL, services. Source: V3 contract section 4."""

from typing import Any

from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import refusal
from conformance.simulator.state import Generation, Service

REFRESH_SECONDS = 1800


def create_session(simulator: Simulator, call: Call) -> Reply:
    """SessionRequest: a bearer token for a client id and secret, or for a refresh token."""
    return Reply(simulator.config.session_status, session_of(simulator, call.body, "v3"))


def session_of(
    simulator: Simulator, body: dict[str, Any], generation: Generation
) -> dict[str, Any]:
    """A session's tokens, signed by the generation's keys; raises what refuses the client."""
    realm = simulator.realm_of(generation)
    with simulator.state.changed:
        bridge = simulator.state.bridges.get(body["clientId"])
    if bridge is None:
        raise refusal("ABDM-1921", status=401)
    if body["grantType"] == "refresh_token":
        if realm.client_of(body["refreshToken"], "Refresh") != bridge.client_id:
            raise refusal("900901", status=401, shape="flat", why="the refresh token is not valid")
    elif body["clientSecret"] != bridge.client_secret:
        raise refusal("ABDM-1922", status=401)
    seconds = simulator.config.session_seconds
    return {
        "accessToken": realm.session(bridge.client_id, seconds),
        "expiresIn": seconds,
        "refreshExpiresIn": REFRESH_SECONDS,
        "refreshToken": realm.session(bridge.client_id, REFRESH_SECONDS, "Refresh"),
        "tokenType": "bearer",
    }


def certs(simulator: Simulator, _call: Call) -> Reply:
    """CertsGet: the key set, the RS256 key first."""
    return Reply(200, simulator.realm.published())


def openid_configuration(simulator: Simulator, _call: Call) -> Reply:
    """OpenIdConfigurationGet."""
    base = simulator.config.public_url.rstrip("/")
    return Reply(200, {"jwks_uri": f"{base}/api/hiecm/gateway/v3/certs"})


def update_bridge_url(simulator: Simulator, call: Call) -> Reply:
    """BridgeUrlUpdate: takes effect at once; the last writer wins."""
    with simulator.state.changed:
        simulator.state.bridges[call.client_id].url = call.body["url"]
    return Reply()


def bridge_services(simulator: Simulator, call: Call) -> Reply:
    """BridgeServicesList: 204 while nothing is registered."""
    with simulator.state.changed:
        described = described_bridge(simulator, call.client_id)
    return Reply(200, described) if described["services"] else Reply(204)


def described_bridge(simulator: Simulator, client_id: str) -> dict[str, Any]:
    """A bridge and its services; the state must be held."""
    bridge = simulator.state.bridges[client_id]
    services = [
        {"id": service.id, "name": service.name, "types": service.types, "active": service.active}
        for service in simulator.state.services.values()
        if service.client_id == client_id
    ]
    described = {
        "id": bridge.client_id,
        "name": bridge.client_id,
        "url": bridge.url,
        "active": True,
        "blocklisted": False,
    }
    return {"bridge": described, "services": services}


def bridge_service(simulator: Simulator, call: Call) -> Reply:
    """BridgeServiceGet: one service of any bridge."""
    with simulator.state.changed:
        service = simulator.state.services.get(call.arguments["service_id"])
        number = list(simulator.state.services).index(service.id) + 1 if service else 0
    return Reply(204) if service is None else Reply(200, _described(service, number))


def _described(service: Service, number: int) -> dict[str, object]:
    return {
        "id": number,
        "bridgeId": service.client_id or "",
        "serviceId": service.id,
        "name": service.name,
        "isHip": "HIP" in service.types,
        "isHiu": "HIU" in service.types,
        "isHealthLocker": "HEALTH_LOCKER" in service.types,
        "isPhr": "PHR" in service.types,
        "active": service.active,
    }
