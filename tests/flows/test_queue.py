"""The queue of shared profiles as the desk sees it: called, served, lapsed. No dialect knows it."""

import pytest

from adapter import work
from tests.flows.harness import Site
from tests.flows.hims import LIMITED, Hospital
from tests.flows.sharing import get, queue_of, share


def test_the_queue_is_called_in_order_and_served(site: Site, hospital: Hospital) -> None:
    for counter in ("OPD3", "OPD3", "LAB1"):
        site.deliver("ProfileShare", share(counter))
    waiting = queue_of(hospital, "?counter=OPD3&state=ISSUED")
    assert [each["number"] for each in waiting] == [1, 2]
    assert waiting[0]["profile"]["name"] == "Asha Verma"

    called = hospital.post("queue/next", {"counter": "OPD3", "facility": site.hfr_id}).json
    assert (called["number"], called["state"]) == (1, "CALLED")
    again = hospital.post(f"queue/{called['id']}/call", {})
    assert again.status_code == 409
    served = hospital.post(f"queue/{called['id']}/serve", {}).json
    assert served["state"] == "SERVED"
    gone = hospital.post(f"queue/{waiting[1]['id']}/end", {}).json
    assert gone["state"] == "EXPIRED"
    nobody = hospital.post("queue/next", {"counter": "OPD3", "facility": site.hfr_id})
    assert nobody.status_code == 404


def test_a_number_that_nobody_called_lapses_after_half_an_hour(
    site: Site, hospital: Hospital
) -> None:
    site.clock.now = site.clock.now.replace(hour=6)
    site.deliver("ProfileShare", share())
    site.clock.advance(minutes=31)
    work.sweep(site.adapter)
    (entry,) = queue_of(hospital)
    assert entry["state"] == "EXPIRED"
    assert hospital.post(f"queue/{entry['id']}/call", {}).status_code == 409


def test_a_key_sees_only_its_own_facilities_queue(site: Site, hospital: Hospital) -> None:
    site.deliver("ProfileShare", share())
    (entry,) = queue_of(hospital)
    assert get(hospital, "/hims/v1/queue", LIMITED).json == {"queue": []}
    assert hospital.post(f"queue/{entry['id']}/call", {}, key=LIMITED).status_code == 404
    profile = f"/hims/v1/abha/profiles/{entry['profile']['id']}"
    assert get(hospital, profile, LIMITED).status_code == 404


@pytest.mark.parametrize("query", ["?day=today", "?state=WAITING", "?facility=IN0000000000"])
def test_a_query_that_makes_no_sense_is_refused(hospital: Hospital, query: str) -> None:
    assert get(hospital, f"/hims/v1/queue{query}").status_code in (400, 404)
