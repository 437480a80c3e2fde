"""CARE's front end before the adapter: every call is held against the table of its endpoints."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from tests.flows.harness import Json
from tests.flows.hims import WHOLE

TABLE = tomllib.loads(
    (Path(__file__).parents[2] / "conformance" / "care-endpoints.toml").read_text()
)
ENDPOINTS: dict[str, Json] = {each["name"]: each for each in TABLE["endpoint"]}
SERVED = {name: each for name, each in ENDPOINTS.items() if "unserved" not in each}
PREFIX = "/api/abdm"


def url(name: str, **parts: str) -> str:
    """The address of a call, with a closing slash as CARE's front end writes it."""
    return f"{PREFIX}{ENDPOINTS[name]['path'].format(**parts)}/"


def ask(
    client: FlaskClient,
    name: str,
    body: Json | None = None,
    *,
    query: Json | None = None,
    key: str = WHOLE,
    **parts: str,
) -> Any:
    """A call as the front end makes it: its answer, not looked at."""
    endpoint = ENDPOINTS[name]
    needed, allowed = set(endpoint.get("body", [])), set(endpoint.get("optional", []))
    assert needed <= set(body or {}) <= needed | allowed
    assert set(query or {}) <= set(endpoint.get("query", []))
    headers = {"Authorization": f"Bearer {key}", "X-User": "Sister Mary"}
    return client.open(
        url(name, **parts),
        method=endpoint["method"],
        json=body,
        query_string=query,
        headers=headers,
    )


def well(client: FlaskClient, name: str, body: Json | None = None, **how: Any) -> Json:
    """A call that goes well: its answer, with every name that the front end reads."""
    endpoint = ENDPOINTS[name]
    answer = ask(client, name, body, **how)
    assert answer.status_code == endpoint.get("status", 200), answer.json
    assert answer.headers["Cache-Control"] == "no-store"
    found: Json = answer.json
    keys = set(endpoint.get("keys", [])) | set(TABLE["shapes"].get(endpoint.get("shape"), []))
    if endpoint.get("paged"):
        assert set(found) == {"count", "next", "previous", "results"}
        assert all(keys <= set(each) for each in found["results"])
    else:
        assert keys <= set(found), keys - set(found)
    return found


def refused(
    client: FlaskClient, name: str, status: int, body: Json | None = None, **how: Any
) -> str:
    """A call that is refused: the `detail` that the front end shows."""
    answer = ask(client, name, body, **how)
    assert answer.status_code == status, (answer.status_code, answer.json)
    detail: str = answer.json["detail"]
    return detail
