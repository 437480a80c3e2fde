"""Facilities and the bridge (M0): configure a facility, register it as HIP and HIU, check it.

    add_facility → its official name from the registry → its Organization in FHIR
                 → linked to our bridge → the service id that ABDM knows it by

Each step may be repeated; a facility that ABDM refused keeps the reason and is added again once it
is set right. One bridge serves all facilities, and its one URL is whoever wrote it last, so
`verify_bridge` fetches a nonce through it. Source: M0 and M1, section 8; cases HFR-118 to HFR-123.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from adapter.protocol.errors import (
    Conflict,
    MalformedRequest,
    NotFound,
    RetryLater,
    UpstreamError,
)
from adapter.rules import registration
from adapter.rules.states import FacilityState
from adapter.runtime import Adapter
from adapter.stores import facilities, settings
from adapter.stores.facilities import Facility
from adapter.upstream.facility_registry import Bridge, BridgeService
from mappings import organization
from mappings.ids import fhir_id

#: The text that our own check page shows while `verify_bridge` runs, in any process.
NONCE_KEY = "bridge.nonce"

_KINDS = frozenset({"HIP", "HIU"})


@dataclass(frozen=True)
class Check:
    """One thing looked at: what it is, whether it is as it should be, and what to do if not."""

    name: str
    ok: bool
    sentence: str


def add_facility(adapter: Adapter, hfr_id: str, facility_id: str | None = None) -> Facility:
    """Serve this facility and register it with ABDM; does nothing new where that is done.

    `facility_id`: the hospital's own id of it. Raises MalformedRequest (no HFR id), Conflict (the
    own id or service id is another facility's), NotFound (unknown to the registry), FhirUnavailable
    (nothing was registered), UpstreamError (ABDM refused or is away: configured, not registered).
    """
    if not registration.is_hfr_id(hfr_id):
        raise MalformedRequest(
            "A facility id (HFR id) is IN followed by ten capital letters or digits."
        )
    _configure(adapter, hfr_id, facility_id)
    try:
        name = adapter.registry.name_of(hfr_id)
        if name is None:
            raise NotFound(
                f"The facility registry knows no facility {hfr_id}; register it at "
                "facility.abdm.gov.in first, or correct the id."
            )
        _link_organization(adapter, hfr_id, facility_id or hfr_id, name)
        config = adapter.config
        hip_name = registration.hip_name(config.hip_name_prefix, name, config.hip_name_suffix)
        service = _confirmed(adapter, hfr_id, adapter.registry.link(hfr_id, name, hip_name))
    except (UpstreamError, NotFound) as error:
        _note_failure(adapter, hfr_id, error)
        raise
    return _registered(adapter, hfr_id, service.id, name)


def check_facility(adapter: Adapter, hfr_id: str) -> tuple[Check, ...]:
    """How ABDM has this facility; what it teaches of the service id is kept.

    Raises NotFound (not served here), UpstreamError.
    """
    with adapter.db.reading() as tx:
        known = facilities.by_hfr_id(tx, hfr_id)
    if known is None:
        raise NotFound(f"{hfr_id} is not served here; add it with `abdm-adapter facility add`.")
    service = _find(adapter, hfr_id, known.hip_id)
    if service is None:
        sentence = f"ABDM has no service of {hfr_id}; run `abdm-adapter facility add {hfr_id}`."
        return (Check("registered", False, sentence),)
    ours = service.bridge_id == adapter.config.abdm_client_id
    missing = ", ".join(sorted(_KINDS - set(service.types)))
    if ours and not missing:
        _registered(adapter, hfr_id, service.id, known.name or service.name)
    again = f"run `abdm-adapter facility add {hfr_id}`"
    foreign = f"linked to bridge {service.bridge_id}, not to ABDM_CLIENT_ID; callbacks go there."
    return (
        Check("registered", True, f"as {service.id}"),
        Check("bridge", ours, service.bridge_id if ours else foreign),
        Check("types", not missing, f"not registered as {missing}; {again}." if missing else "all"),
        Check("active", service.active, "yes" if service.active else f"switched off; {again}."),
    )


def set_bridge_url(adapter: Adapter, url: str) -> None:
    """Have ABDM send every callback of our bridge to `url`.

    Raises MalformedRequest for a URL that ABDM could not use, UpstreamError.
    """
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if (parts.scheme != "https" and not (parts.scheme == "http" and local)) or not parts.hostname:
        raise MalformedRequest("The bridge URL must start with https:// and name a host.")
    if url.endswith("/") or parts.query or parts.fragment:
        raise MalformedRequest(
            "The bridge URL must end without a slash, query or fragment: ABDM appends /api/v3/…"
        )
    adapter.registry.set_bridge_url(url)


def show_bridge(adapter: Adapter) -> Bridge:
    """Our bridge as ABDM has it. Raises UpstreamError."""
    return adapter.registry.bridge()


def verify_bridge(adapter: Adapter) -> tuple[Check, ...]:
    """Whether callbacks would reach us: a nonce of ours is fetched through the registered URL.

    The adapter must be running behind that URL over the same tables. Raises UpstreamError where the
    gateway cannot be asked.
    """
    bridge = adapter.registry.bridge()
    url = bridge.url or adapter.config.public_url
    if not url:
        sentence = "No bridge URL is known: set it with `abdm-adapter bridge set URL`."
        return (Check("url", False, sentence),)
    stated = adapter.config.public_url
    same = not stated or url == stated
    differs = f"ABDM has {url}, PUBLIC_URL says {stated}; run `abdm-adapter bridge set {stated}`."
    return (
        Check("url", same, url if same else differs),
        _fetched(adapter, url),
        Check(
            "services",
            bool(bridge.services),
            ", ".join(each.id for each in bridge.services)
            or "no facility is linked yet; run `abdm-adapter facility add`.",
        ),
    )


def _fetched(adapter: Adapter, url: str) -> Check:
    nonce = secrets.token_urlsafe(24)
    with adapter.db.transaction() as tx:
        settings.put(tx, NONCE_KEY, nonce)
    try:
        found = adapter.registry.nonce_at(url)
    except RetryLater as error:
        return Check("ours", False, f"{error.sentence} Is the adapter running behind {url}?")
    finally:
        with adapter.db.transaction() as tx:
            settings.delete(tx, NONCE_KEY)
    if found == nonce:
        return Check("ours", True, "the nonce came back through it")
    return Check(
        "ours",
        False,
        f"{url} is answered by something else: callbacks do not reach this adapter. Another "
        "installation with the same ABDM_CLIENT_ID may have set its own URL.",
    )


def nonce(adapter: Adapter) -> str | None:
    """What the check page shows now; None while nobody verifies."""
    with adapter.db.reading() as tx:
        return settings.get(tx, NONCE_KEY)


def _configure(adapter: Adapter, hfr_id: str, facility_id: str | None) -> None:
    with adapter.db.transaction() as tx:
        holder = facilities.by_facility_id(tx, facility_id) if facility_id else None
        if holder is not None and holder.hfr_id != hfr_id:
            raise Conflict(f"Facility {facility_id} is registered as {holder.hfr_id} already.")
        new = {
            "hfr_id": hfr_id,
            "hip_id": hfr_id,
            "facility_id": facility_id,
            "state": FacilityState.CONFIGURED,
            "source": "added",
        }
        known = facilities.by_hfr_id(tx, hfr_id)
        if known is None and not facilities.insert_new(tx, new):
            raise Conflict(f"{hfr_id} is the service id of another facility served here.")
        if known is not None and facility_id and known.facility_id != facility_id:
            if known.facility_id is not None:
                raise Conflict(f"{hfr_id} belongs to facility {known.facility_id} already.")
            facilities.change(tx, hfr_id, facility_id=facility_id)


def _link_organization(adapter: Adapter, hfr_id: str, facility_id: str, name: str) -> None:
    """Make sure that one Organization carries the HFR id: the hospital's own, or a new one."""
    if hfr_id in adapter.fhir.organizations([hfr_id]):
        return
    wanted = (fhir_id(facility_id, "facility", facility_id), facility_id)
    found = adapter.fhir.organizations_by_id(wanted)
    known = next((found[each] for each in wanted if each in found), None)
    if known is None:
        known = organization.minimal(facility_id, name)
    known.setdefault("identifier", []).append(organization.hfr_identifier(hfr_id))
    version = (known.get("meta") or {}).get("versionId")
    adapter.fhir.write([(known, version)], [])


def _confirmed(adapter: Adapter, hfr_id: str, named: str) -> BridgeService:
    """The service as the gateway has it, which callbacks will name."""
    service = _find(adapter, hfr_id, named)
    if service is None:
        raise RetryLater(
            f"The registry took {hfr_id}, but the gateway does not list it yet; add it again in a "
            "few minutes."
        )
    return service


def _find(adapter: Adapter, hfr_id: str, service_id: str) -> BridgeService | None:
    """Our bridge's service of this facility: by its id, else under its HFR id with a suffix."""
    bridge = adapter.registry.bridge()
    by_id = {service.id: service for service in bridge.services}
    if service_id in by_id:
        return by_id[service_id]
    suffixed = [each for each in bridge.services if each.id.startswith(f"{hfr_id}_")]
    if len(suffixed) == 1:
        return suffixed[0]
    return adapter.registry.service(service_id)


def _registered(adapter: Adapter, hfr_id: str, hip_id: str, name: str) -> Facility:
    with adapter.db.transaction() as tx:
        holder = facilities.by_hip_id(tx, hip_id)
        if holder is not None and holder.hfr_id != hfr_id:
            raise Conflict(
                f"ABDM knows {hfr_id} as {hip_id}, which is set for {holder.hfr_id} here; correct "
                "ABDM_FACILITIES."
            )
        facilities.change(
            tx,
            hfr_id,
            hip_id=hip_id,
            name=name,
            state=FacilityState.REGISTERED,
            registered_at=adapter.clock(),
            error=None,
            sentence=None,
        )
        known = facilities.by_hfr_id(tx, hfr_id)
    if known is None:
        raise NotFound(f"{hfr_id} was removed meanwhile.")
    return known


def _note_failure(adapter: Adapter, hfr_id: str, error: UpstreamError | NotFound) -> None:
    state = FacilityState.CONFIGURED if isinstance(error, RetryLater) else FacilityState.FAILED
    with adapter.db.transaction() as tx:
        known = facilities.by_hfr_id(tx, hfr_id)
        if known is None or known.registered:
            return  # what ABDM took before stands until it says otherwise
        facilities.change(
            tx, hfr_id, state=state, error=type(error).__name__, sentence=error.sentence[:500]
        )
