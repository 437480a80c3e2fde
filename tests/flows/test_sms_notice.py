"""ABDM's SMS to patients with no known ABHA address (case HIP_INIT_NOTIFY_HIECM)."""

from dataclasses import replace
from typing import Any

import pytest

from adapter import work
from adapter.stores import outbox_delivery
from tests.flows.harness import GENERATE_TOKEN, Site, mobile_of
from tests.flows.linking import Linking
from tests.flows.wire import BOTH

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH

SMS = "/links/sms/notify2"


def without_address(site: Site, **settings: Any) -> Linking:
    config = site.adapter.config.model_copy(update={"sms_notify": True, **settings})
    there = replace(site, adapter=replace(site.adapter, config=config))
    made = Linking(there, identifier=there.patient()["identifier"][2:])
    there.clock.now = there.clock.now.replace(day=20, month=11, year=2026)
    return made


def test_a_patient_with_a_mobile_and_no_abha_address_gets_one_sms_a_visit(site: Site) -> None:
    linking = without_address(site)
    linking.link()
    call = site.outside.only(SMS)
    assert call.body["notification"]["phoneNo"] == f"91{mobile_of(linking.patient)}"
    assert set(call.body["notification"]) == {"phoneNo", "hip"}
    assert call.body["notification"]["hip"]["id"] == site.hip_id
    linking.site.answer(call, "OnSmsNotify", {"acknowledgement": {"status": "SUCCESS"}})
    assert site.row("sms_notice")["state"] == "CONFIRMED"
    linking.link()
    linking.site.wait(120)
    assert len(site.outside.to(SMS)) == 1


def test_an_sms_of_which_abdm_says_no_more_is_closed_and_never_repeated(site: Site) -> None:
    linking = without_address(site)
    linking.link()
    for _ in range(3):
        linking.site.clock.advance(seconds=61)
        work.sweep(linking.site.adapter)
        linking.site.run()
    assert len(site.outside.to(SMS)) == 1
    assert site.row("sms_notice")["state"] == "UNCONFIRMED"
    with site.adapter.db.reading() as tx:
        assert outbox_delivery.dead_letters(tx) == []


def test_a_late_answer_still_counts(site: Site) -> None:
    linking = without_address(site)
    linking.link()
    linking.site.clock.advance(seconds=61)
    work.sweep(linking.site.adapter)
    error = {"error": {"code": "ABDM-1024", "message": "Dependent service unavailable"}}
    linking.site.answer(site.outside.only(SMS), "OnSmsNotify", error)
    notice = site.row("sms_notice")
    assert notice["state"] == "FAILED"
    assert "Dependent service unavailable" in notice["sentence"]


def test_a_refused_sms_says_why(site: Site) -> None:
    linking = without_address(site)
    site.will_refuse(SMS, "ABDM-1001", "Bad phone number")
    linking.link()
    notice = site.row("sms_notice")
    assert notice["state"] == "FAILED"
    assert "Bad phone number" in notice["sentence"]


def test_a_patient_with_an_abha_address_gets_a_link_and_no_sms(site: Site) -> None:
    linking = without_address(site)
    linking.patient["identifier"] = site.patient()["identifier"]
    linking.site.load(linking.patient)
    linking.link()
    assert site.outside.to(SMS) == []
    assert len(site.outside.to(GENERATE_TOKEN)) == 1


def test_nobody_gets_an_sms_unless_it_is_switched_on(site: Site) -> None:
    without_address(site, sms_notify=False).link()
    assert site.outside.to(SMS) == []


def test_visits_of_long_ago_bring_no_sms(site: Site) -> None:
    linking = without_address(site)
    linking.site.clock.advance(days=30)
    linking.link()
    assert site.outside.to(SMS) == []
