"""CARE's endpoints: every route is in the table, and what the table calls served is there."""

import re
from pathlib import Path

import pytest

from adapter.web.care.routes import PREFIXES
from tests.flows.care import ENDPOINTS, SERVED
from tests.unit.web.conftest import Edge

FLOWS = Path(__file__).parents[2] / "flows"


def concrete(name: str) -> str:
    return re.sub(r"\{\w+\}", "some-id", ENDPOINTS[name]["path"])


@pytest.mark.parametrize("name", SERVED)
def test_served_call_exists_in_every_form_and_wants_a_key(edge: Edge, name: str) -> None:
    for path in (f"{prefix}{concrete(name)}{end}" for prefix in PREFIXES for end in ("", "/")):
        answer = edge.client.open(path, method=ENDPOINTS[name]["method"])
        assert answer.status_code == 401, path
        assert "HIMS_API_KEYS" in answer.json["detail"]
        assert answer.json["error"]["code"]


@pytest.mark.parametrize("name", sorted(set(ENDPOINTS) - set(SERVED)))
def test_call_that_is_not_served_is_not_there_and_the_table_says_why(edge: Edge, name: str) -> None:
    answer = edge.client.open(f"/api/abdm{concrete(name)}/", method=ENDPOINTS[name]["method"])
    assert answer.status_code == 404
    assert len(ENDPOINTS[name]["unserved"]) > 20


def test_every_route_stands_in_the_table(edge: Edge) -> None:
    routes = {
        (method, re.sub(r"<\w+>", "{}", rule.rule.removeprefix(PREFIXES[0]).rstrip("/")))
        for rule in edge.client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(f"{PREFIXES[0]}/")
    }
    table = {(each["method"], re.sub(r"\{\w+\}", "{}", each["path"])) for each in SERVED.values()}
    assert routes == table


@pytest.mark.parametrize("name", SERVED)
def test_every_served_call_is_made_by_a_flow_test(name: str) -> None:
    tests = [each.read_text() for each in FLOWS.glob("test_care*.py")]
    assert any(f'"{name}"' in each for each in tests)
