"""What every call of a hospital's system shares: its key, its JSON body, errors as sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from adapter.flows import lookup
from adapter.flows.abha_desk import Desk
from adapter.protocol.errors import (
    DependencyUnavailable,
    FhirUnavailable,
    MalformedRequest,
    NotFound,
)
from adapter.runtime import Adapter
from adapter.stores import facilities
from adapter.web.auth import Caller, require_hims_key


def hims_route(
    adapter: Adapter,
    api: Blueprint,
    path: str,
    method: str,
    view: Callable[..., Response],
    *,
    endpoint: str | None = None,
) -> None:
    """Add a route whose `view(adapter, caller, **arguments)` is called with a known caller."""

    def answer(**arguments: str) -> Response:
        caller = require_hims_key(adapter)
        try:
            return view(adapter, caller, **arguments)
        except FhirUnavailable as error:
            raise DependencyUnavailable(
                "The FHIR server cannot be reached now; try again in a moment."
            ) from error

    name = endpoint or view.__name__.lstrip("_")
    api.add_url_rule(path, name, answer, methods=[method])


def hip_ids_of(adapter: Adapter, caller: Caller) -> frozenset[str]:
    """The service ids of the facilities that the caller may act for, as HIP and as HIU."""
    return frozenset(
        hip_id for hfr_id, hip_id in lookup.served_pairs(adapter) if caller.may_act_for(hfr_id)
    )


def body_of(expected: str) -> dict[str, Any]:
    """The request's JSON object. Raises MalformedRequest showing what is `expected`."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise MalformedRequest(f"Send {expected} as JSON.")
    return body


def text_of(body: dict[str, Any], name: str) -> str:
    """The text in this field, stripped. Raises MalformedRequest where there is none."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise MalformedRequest(f"The field {name} is missing or no text.")
    return value.strip()


def facilities_of(adapter: Adapter, caller: Caller) -> dict[str, str]:
    """HIP service ids by HFR id of the facilities that the caller may act for."""
    with adapter.db.reading() as tx:
        pairs = facilities.served(tx)
    return {hfr_id: hip_id for hfr_id, hip_id in pairs if caller.may_act_for(hfr_id)}


def facility_of(adapter: Adapter, caller: Caller, named: object) -> str:
    """The HIP service id of the facility `named` (its HFR id), or of the caller's only one.

    Raises NotFound (none of theirs), MalformedRequest (several, and none named).
    """
    own = facilities_of(adapter, caller)
    if named is not None:
        if not isinstance(named, str) or named not in own:
            raise NotFound("There is no such facility among yours.")
        return own[named]
    if len(own) != 1:
        raise MalformedRequest("Name the facility (its HFR id) in facility: you have several.")
    return next(iter(own.values()))


def asking_facility(adapter: Adapter, caller: Caller, named: object) -> str:
    """As `facility_of`, or any of several that ask the same ABHA service."""
    own = facilities_of(adapter, caller).values()
    if named is None and len({id(adapter.abha_of(hip_id)) for hip_id in own}) == 1:
        return next(iter(own))
    return facility_of(adapter, caller, named)


def desk_of(adapter: Adapter, caller: Caller) -> Desk:
    """Who acts, and for which facilities."""
    return Desk(caller.name, frozenset(facilities_of(adapter, caller).values()))
