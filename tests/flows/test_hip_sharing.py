"""Consent → request → pages → report (case HIP_INIT_SHARE_CARECONTEXT), good path."""

import hashlib
import json

import pytest

from tests.flows.harness import (
    NOTIFY,
    ON_NOTIFY,
    ON_REQUEST,
    PUSH,
    Hiu,
    Site,
    artefact,
    grant,
    reference_of,
)
from tests.flows.wire import BOTH

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


def test_consented_visits_arrive_encrypted_and_are_reported(site: Site) -> None:
    patient = site.patient()
    first, second = site.visit(patient), site.visit(patient, prescription=False)
    site.admit(patient, first, second)
    detail = artefact(site, patient, first, second)
    notice = site.deliver("HipConsentNotify", grant(detail))
    acknowledgement = site.outside.only(ON_NOTIFY).body
    assert acknowledgement["acknowledgement"] == {"status": "OK", "consentId": detail["consentId"]}
    assert acknowledgement["response"] == {"requestId": notice}

    hiu = Hiu()
    request = hiu.request(site, detail)
    asked = site.deliver("HipHealthInformationRequest", request)
    reply = site.outside.only(ON_REQUEST).body
    assert reply["hiRequest"] == {
        "transactionId": request["transactionId"],
        "sessionStatus": "ACKNOWLEDGED",
    }
    assert reply["response"] == {"requestId": asked}

    pages = site.outside.to(PUSH)
    assert [page.body["pageNumber"] for page in pages] == [1, 2, 3]
    assert {page.body["pageCount"] for page in pages} == {3}
    assert {page.body["transactionId"] for page in pages} == {request["transactionId"]}
    opened = [hiu.open(page) for page in pages]
    assert [reference for reference, _ in opened] == [
        reference_of(first),
        reference_of(first),
        reference_of(second),
    ]
    for page, (_, document) in zip(pages, opened, strict=True):
        assert document["type"] == "document"
        assert page.body["entries"][0]["media"] == "application/fhir+json"
        assert "authorization" not in page.headers
    keys = {page.body["keyMaterial"]["dhPublicKey"]["keyValue"] for page in pages}
    assert len(keys) == 3
    assert len({page.body["keyMaterial"]["nonce"] for page in pages}) == 3

    report = site.outside.only(NOTIFY).body["notification"]
    assert report["statusNotification"]["sessionStatus"] == "TRANSFERRED"
    assert [
        (s["careContextReference"], s["hiStatus"])
        for s in report["statusNotification"]["statusResponses"]
    ] == [(reference_of(first), "DELIVERED"), (reference_of(second), "DELIVERED")]
    assert report["transactionId"] == request["transactionId"]

    transfer = site.row("transfer")
    assert (transfer["state"], transfer["page_count"], transfer["request"]) == (
        "TRANSFERRED",
        3,
        None,
    )
    assert site.rows("page_chunk") == []
    codes = [event["subtype"][0]["code"] for event in site.audits()]
    assert sorted(codes) == ["consent:artefact:receive", "record:context:disclose"]


def test_the_checksum_is_that_of_the_plaintext(site: Site) -> None:
    patient = site.patient()
    visit = site.visit(patient)
    site.admit(patient, visit)
    detail = artefact(site, patient, visit, hiTypes=["Prescription"])
    site.deliver("HipConsentNotify", grant(detail))
    hiu = Hiu()
    site.deliver("HipHealthInformationRequest", hiu.request(site, detail))
    page = site.outside.only(PUSH)
    _, document = hiu.open(page)
    plaintext = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    assert page.body["entries"][0]["checksum"] == hashlib.md5(plaintext).hexdigest()
