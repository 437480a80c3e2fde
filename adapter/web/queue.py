"""The counters' queues for a hospital's own system: who waits, call, served, gone."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from flask import Blueprint, Response, jsonify, request

from adapter.flows import queue as flow
from adapter.flows.abha_user import described
from adapter.flows.queue import Entry
from adapter.protocol import timestamps
from adapter.protocol.errors import MalformedRequest
from adapter.rules.states import QueueTokenState
from adapter.runtime import Adapter
from adapter.web.answering import body_of, desk_of, facility_of, hims_route
from adapter.web.auth import Caller

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def blueprint(adapter: Adapter) -> Blueprint:
    """The routes under /hims/v1/queue."""
    api = Blueprint("queue", __name__, url_prefix="/hims/v1/queue")
    hims_route(adapter, api, "", "GET", _list)
    hims_route(adapter, api, "/next", "POST", _next)
    for name, move in (("call", flow.call), ("serve", flow.serve), ("end", flow.end)):
        hims_route(adapter, api, f"/<token_id>/{name}", "POST", _moving(move), endpoint=name)
    return api


def _list(adapter: Adapter, caller: Caller) -> Response:
    named = request.args.get("facility")
    hip_ids: Collection[str] = desk_of(adapter, caller).hip_ids
    if named:
        hip_ids = (facility_of(adapter, caller, named),)
    day, state = request.args.get("day"), request.args.get("state")
    if day is not None and not _DAY.fullmatch(day):
        raise MalformedRequest("day must be a date: 2026-11-23, for example.")
    if state is not None and state not in tuple(QueueTokenState):
        raise MalformedRequest(f"state must be one of {', '.join(QueueTokenState)}.")
    found = flow.entries(
        adapter,
        hip_ids,
        day=day,
        counter=request.args.get("counter"),
        states=(state,) if state else (),
    )
    return jsonify(queue=[entry_described(each) for each in found])


def _next(adapter: Adapter, caller: Caller) -> Response:
    body = body_of('{"counter"}')
    counter = body.get("counter")
    if not isinstance(counter, str) or not counter:
        raise MalformedRequest("Name the counter.")
    hip_id = facility_of(adapter, caller, body.get("facility"))
    return jsonify(entry_described(flow.call_next(adapter, (hip_id,), counter)))


def _moving(move: Callable[[Adapter, Collection[str], str], Entry]) -> Callable[..., Response]:
    def view(adapter: Adapter, caller: Caller, token_id: str) -> Response:
        hip_ids = desk_of(adapter, caller).hip_ids
        return jsonify(entry_described(move(adapter, hip_ids, token_id)))

    return view


def entry_described(entry: Entry) -> dict[str, Any]:
    """A number with whom it is about."""
    token, row = entry
    called, served = token.called_at, token.served_at
    return {
        "id": token.id,
        "hip_id": token.hip_id,
        "counter": token.counter,
        "day": token.day,
        "number": token.number,
        "state": token.state,
        "issued_at": timestamps.format(token.issued_at),
        "expires_at": timestamps.format(token.expires_at),
        "called_at": timestamps.format(called) if called else None,
        "served_at": timestamps.format(served) if served else None,
        "profile": described(row) if row else None,
    }
