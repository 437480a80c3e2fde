"""Records as plain JSON-able values: what the control calls return and the pages show."""

import base64
import dataclasses
from datetime import datetime
from typing import Any

from conformance.simulator.core import Simulator
from conformance.simulator.counterparts import status_of
from conformance.simulator.notices import acknowledgement_of
from conformance.simulator.state import (
    Artefact,
    ConsentRequest,
    Exchange,
    LinkTransaction,
    Notice,
    Transfer,
)
from conformance.simulator.times import timestamp


def plain(value: Any) -> Any:
    """Dataclasses to dictionaries, times to text, bytes to base64, all the way down."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return value


def link_transaction(transaction: LinkTransaction) -> dict[str, Any]:
    """A user-initiated linking so far."""
    return dict(plain(transaction))


def consent_request(simulator: Simulator, request: ConsentRequest) -> dict[str, Any]:
    """A consent request with its state, and for each notice what the HIU answered."""
    return {**plain(request), "notices": _notices(simulator, request.notices)}


def artefact(simulator: Simulator, found: Artefact) -> dict[str, Any]:
    """An artefact, its state, and for each notice what the HIP answered."""
    return {**plain(found), "notices": _notices(simulator, found.notices)}


def _notices(simulator: Simulator, notices: list[Notice]) -> list[dict[str, Any]]:
    return [
        {**plain(notice), "acknowledgement": acknowledgement_of(simulator, notice)}
        for notice in notices
    ]


def transfer(found: Transfer) -> dict[str, Any]:
    """A data request with pages and documents, without the key pair."""
    hidden = ("keys", "page_digests")
    described = {
        field.name: plain(getattr(found, field.name))
        for field in dataclasses.fields(found)
        if field.name not in hidden
    }
    return {**described, "status": status_of(found)}


def exchange(found: Exchange) -> dict[str, Any]:
    """One recorded exchange."""
    return dict(plain(found))
