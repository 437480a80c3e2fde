"""Lists as CARE's front end reads them: `count`, `next`, `previous`, `results`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request

from adapter.protocol.errors import MalformedRequest

#: CARE's own.
USUAL_LIMIT = 14
LARGEST_LIMIT = 500


def asked() -> tuple[int, int]:
    """(limit, offset) of the present request. Raises MalformedRequest."""
    limit, offset = request.args.get("limit", str(USUAL_LIMIT)), request.args.get("offset", "0")
    if not limit.isdecimal() or not 1 <= int(limit) <= LARGEST_LIMIT:
        raise MalformedRequest(f"limit must be a number from 1 to {LARGEST_LIMIT}.")
    if not offset.isdecimal() or len(offset) > 9:
        raise MalformedRequest("offset must be a number: how many results to leave out.")
    return int(limit), int(offset)


def page(count: int, results: list[dict[str, Any]]) -> Response:
    """One page of `count` results."""
    limit, offset = asked()
    return jsonify(
        count=count,
        next=_at(offset + limit) if offset + limit < count else None,
        previous=_at(max(offset - limit, 0)) if offset else None,
        results=results,
    )


def _at(offset: int) -> str:
    return f"{request.path}?{urlencode({**request.args, 'offset': offset})}"
