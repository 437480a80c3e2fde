"""The facility registry and the gateway's list of bridges: who is registered as what (M0).

Linking a facility goes to the registry's host (`ABDM_FACILITY_URL`), everything about our bridge to
the gateway (`ABDM_URL`); V3's gateway answers 503 for the first (M0 and M1, section 1). In v0.5 the
gateway itself takes services (v1 document, section 9.4); the registry still says the name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from adapter.config import Config
from adapter.protocol.errors import Rejected, RetryLater, UpstreamError
from adapter.protocol.refusals import reaction, read_refusal
from adapter.rules import registration
from adapter.upstream import http
from adapter.upstream.gateway import Gateway
from adapter.upstream.rest import Service

_LINK = "/v1/bridges/MutipleHRPAddUpdateServices"
_SEARCH = "/FacilityManagement/v1.5/facility/search"
NONCE_PATH = "/api/v3/bridge-nonce"


@dataclass(frozen=True)
class _Paths:
    """Where the gateway keeps a bridge; `service`: one of any bridge, `register`: adds services to
    ours. None where it has no such call."""

    url: str
    services: str
    service: str | None
    register: str | None


_PATHS = {
    "v3": _Paths(
        "/api/hiecm/gateway/v3/bridge/url",
        "/api/hiecm/gateway/v3/bridge-services",
        "/api/hiecm/gateway/v3/bridge-service/serviceId",
        None,
    ),
    "v0.5": _Paths(
        "/gateway/v1/bridges",
        "/gateway/v1/bridges/getServices",
        None,
        "/gateway/v1/bridges/addUpdateServices",
    ),
}


@dataclass(frozen=True)
class BridgeService:
    """One service as the gateway lists it; `types` of HIP, HIU, HEALTH_LOCKER, PHR."""

    id: str
    name: str
    types: tuple[str, ...]
    active: bool
    bridge_id: str


@dataclass(frozen=True)
class Bridge:
    """Our bridge: the URL that callbacks go to (None where unknown) and its services."""

    id: str
    url: str | None
    services: tuple[BridgeService, ...]


class FacilityRegistry:
    """Every method is one call, raises UpstreamError, and may be called by any thread."""

    def __init__(self, config: Config, gateway: Gateway, clock: Callable[[], datetime]) -> None:
        self._bridge_id = config.abdm_client_id
        shared: dict[str, Any] = {"cm_id": config.x_cm_id, "gateway": gateway, "clock": clock}
        who = "The facility registry"
        self._registry = Service(who, config.abdm_facility_url, judge=_judge(who), **shared)
        who = "The gateway"
        generation = config.abdm_api_version
        self._paths = _PATHS[generation]
        self._gateway = Service(
            who, config.abdm_url, judge=_judge(who), generation=generation, **shared
        )

    def name_of(self, hfr_id: str) -> str | None:
        """The facility's official name; None where the registry knows no such facility."""
        body = {"facilityId": hfr_id, "page": 1, "resultsPerPage": 10}
        answer = self._registry.call("FacilitySearch", "POST", _SEARCH, body)
        found = self._registry.json(answer)
        items = found.get("facilities") if isinstance(found, dict) else None
        for item in items or []:
            if isinstance(item, dict) and item.get("facilityId") == hfr_id:
                return str(item.get("facilityName") or "") or hfr_id
        return None

    def link(self, hfr_id: str, name: str, hip_name: str, *, active: bool = True) -> str:
        """Register the facility as HIP and HIU of our bridge; the service id it has there."""
        if self._paths.register is not None:
            added = [
                {"id": hfr_id, "name": hip_name, "type": kind, "active": active}
                for kind in ("HIP", "HIU")
            ]
            self._gateway.call("BridgeServicesUpdate", "POST", self._paths.register, added)
            return hfr_id
        services = [
            {"bridgeId": self._bridge_id, "hipName": hip_name, "type": kind, "active": active}
            for kind in ("HIP", "HIU")
        ]
        body = {"facilityId": hfr_id, "facilityName": name, "HRP": services}
        answer = self._registry.call("FacilityServiceRegistration", "POST", _LINK, body)
        named = registration.linked_service(self._registry.json(answer), self._bridge_id)
        return named or hfr_id

    def set_bridge_url(self, url: str) -> None:
        """Have every callback of our bridge sent to `url` from now on."""
        self._gateway.call("BridgeUrlUpdate", "PATCH", self._paths.url, {"url": url})

    def bridge(self) -> Bridge:
        """Our bridge as the gateway has it."""
        path = self._paths.services
        answer = self._gateway.call("BridgeServicesList", "GET", path, accepts=(200, 204))
        data = self._gateway.json(answer) if answer.status == 200 else {}
        if not isinstance(data, dict):
            raise RetryLater("The gateway answered with something that is no list of services.")
        described = data.get("bridge") or {}
        bridge_id = str(described.get("id") or self._bridge_id)
        services = tuple(
            BridgeService(
                id=str(each["id"]),
                name=str(each.get("name") or ""),
                types=tuple(each.get("types") or ()),
                active=bool(each.get("active")),
                bridge_id=bridge_id,
            )
            for each in data.get("services") or ()
            if isinstance(each, dict) and each.get("id")
        )
        return Bridge(bridge_id, described.get("url") or None, services)

    def service(self, service_id: str) -> BridgeService | None:
        """One service of any bridge; None where the gateway knows none by this id.

        In v0.5 the gateway tells of our own bridge's services only.
        """
        if self._paths.service is None:
            own = self.bridge().services
            return next((each for each in own if each.id == service_id), None)
        path = f"{self._paths.service}/{quote(service_id, safe='')}"
        try:
            answer = self._gateway.call("BridgeServiceGet", "GET", path, accepts=(200, 204))
        except Rejected as error:
            if error.code in ("ABDM-1001", "ABDM-1025") or error.status == 404:
                return None
            raise
        data = self._gateway.json(answer) if answer.status == 200 else None
        if not isinstance(data, dict) or not data.get("serviceId"):
            return None
        kinds = (("isHip", "HIP"), ("isHiu", "HIU"))
        return BridgeService(
            id=str(data["serviceId"]),
            name=str(data.get("name") or ""),
            types=tuple(kind for key, kind in kinds if data.get(key)),
            active=data.get("active") is not False,
            bridge_id=str(data.get("bridgeId") or ""),
        )

    def nonce_at(self, url: str) -> str | None:
        """What our own check page says when fetched through the bridge URL; None if it is not ours.

        Raises RetryLater when nothing answers there. No token goes along: the URL may be another's.
        """
        through = http.session(url)
        answer = http.call(through, "The bridge URL", "GET", url + NONCE_PATH, headers={})
        text = answer.body.decode(errors="replace").strip()
        return text if answer.status == 200 and len(text) <= 64 else None


def _judge(who: str) -> Callable[[str, http.Answer, datetime], UpstreamError]:
    def judge(operation: str, answer: http.Answer, now: datetime) -> UpstreamError:
        return reaction(
            operation,
            read_refusal(answer.body, answer.status),
            status=answer.status,
            retry_after=answer.retry_after(now),
            who=who,
        )

    return judge
