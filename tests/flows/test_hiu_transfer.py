"""Records from other hospitals: asked for, taken in in every form peers push them, and reported."""

import base64
import hashlib

import pytest

from tests.flows.harness import Site
from tests.flows.pushing import Pushing
from tests.flows.received import bundle

pytestmark = pytest.mark.hapi


@pytest.fixture
def other(site: Site) -> Pushing:
    made = Pushing(site)
    made.grant()
    return made


def verbatim(other: Pushing) -> dict[str, bytes]:
    """The bytes kept of each document, by its id."""
    return {b["id"]: base64.b64decode(b["data"]) for b in other.found("Binary")}


def test_each_page_is_stored_as_sourced_resources_and_reported(other: Pushing) -> None:
    first, second = bundle(), bundle(3)
    other.acknowledge()
    other.push_each(first, second)
    assert other.report[0] == "RECEIVED"
    assert other.report[1] == {"visit-1": "OK", "visit-2": "OK"}
    assert set(verbatim(other).values()) == {first, second}
    observations = other.found("Observation")
    assert len(observations) == 5
    assert {o["meta"]["source"].partition("#")[0] for o in observations} == {
        f"urn:abdm:hip:{other.hip_id}"
    }
    digests = {row["sha256"] for row in other.documents}
    assert digests == {hashlib.sha256(each).hexdigest() for each in (first, second)}
    assert other.row["state"] == "STORED"
