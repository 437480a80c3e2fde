"""What is particular to a HIU's V3 messages: forms that peers vary, and pages as they come."""

import json
from dataclasses import replace
from typing import Any

import pytest

from adapter.protocol import messages as m
from adapter.protocol import routes
from adapter.protocol.errors import MalformedRequest
from conformance.schemas import problems
from tests.contract.hiu_messages import PERMISSION, WRITTEN
from tests.contract.samples import CONSENT, HIP, HIU, REQUEST, TRANSFER, VISIT, sample

ENVELOPE = m.Envelope("v3", hip_id=HIP, hiu_id=HIU, response_to=REQUEST)
HEADERS = {"REQUEST-ID": REQUEST, "TIMESTAMP": "2026-11-02T04:10:00Z", "X-HIU-ID": HIU}


def encode(message: Any) -> dict[str, Any]:
    return routes.outbound("v3", type(message)).encode(ENVELOPE, message).body


def decode(name: str, body: dict[str, Any]) -> Any:
    return routes.decode("v3", name, HEADERS, json.dumps(body).encode())[1]


def push(body: dict[str, Any]) -> m.HealthInformationPushReceived:
    return routes.decode_push(json.dumps(body).encode())


def test_request_for_named_visits_names_them_and_one_for_any_hip_names_none() -> None:
    visits = (m.CareContextRef("MRN-2208", VISIT),)
    named = encode(replace(WRITTEN["ConsentRequestInit"], care_contexts=visits))
    assert problems("ConsentRequestInit", named) == []
    assert named["consent"]["careContexts"] == [
        {"patientReference": "MRN-2208", "careContextReference": VISIT}
    ]
    open_ = encode(replace(WRITTEN["ConsentRequestInit"], hip_id=None))
    assert problems("ConsentRequestInit", open_) == []
    assert not {"hip", "careContexts"} & set(open_["consent"])


def test_denial_is_acknowledged_with_an_empty_list() -> None:
    body = encode(m.HiuConsentOnNotifyRequest())
    assert problems("HiuConsentOnNotifyRequest", body) == []
    assert body["acknowledgement"] == []


def test_receipt_says_failed_only_when_nothing_usable_came() -> None:
    lines = (m.ContextStatus(VISIT, False, "फ़ाइल"), m.ContextStatus("b", True, "Received"))
    for statuses, word in ((lines, "RECEIVED"), (lines[:1], "FAILED")):
        body = encode(replace(WRITTEN["DataFlowNotifyByHiu"], statuses=statuses))
        assert problems("DataFlowNotifyByHiu", body) == []
        status = body["notification"]["statusNotification"]
        assert status["sessionStatus"] == word
        assert status["statusResponses"][0]["hiStatus"] == "ERRORED"


def test_data_request_without_key_expiry_is_never_written() -> None:
    request = WRITTEN["HiuHealthInformationRequest"]
    key = replace(request.key_material, expiry=None)
    with pytest.raises(ValueError, match="expiry"):
        encode(replace(request, key_material=key))


def test_fetched_artefact_is_read_whole_and_kept_to_the_letter() -> None:
    fetched = decode("OnConsentFetch", sample("OnConsentFetch"))
    assert (fetched.status, fetched.error) == ("GRANTED", None)
    assert fetched.signature == "c2FtcGxlIHNpZ25hdHVyZQ=="
    artefact = fetched.artefact
    assert (artefact.consent_id, artefact.hip_id, artefact.hiu_id) == (CONSENT, HIP, HIU)
    assert artefact.permission == PERMISSION
    assert json.loads(artefact.verbatim) == sample("OnConsentFetch")["consent"]["consentDetail"]


def test_artefacts_without_an_id_are_skipped_and_repeated_ones_named_once() -> None:
    body = sample("HiuConsentNotify")
    body["notification"]["consentArtefacts"] = [{"id": None}, {"id": CONSENT.upper()}] + [
        {"id": CONSENT}
    ] * 2
    assert decode("HiuConsentNotify", body).artefact_ids == (CONSENT,)
    body["notification"]["consentArtefacts"] = None
    assert decode("HiuConsentNotify", body).artefact_ids == ()


@pytest.mark.parametrize(
    "name",
    ["HealthInformationPush", "HealthInformationPush.zero-based", "HealthInformationPushStrict"],
)
def test_page_is_read_in_every_form_that_peers_send(name: str) -> None:
    body = sample(name)
    page = push(body)
    assert (page.transaction_id, page.page_count) == (TRANSFER, 1)
    assert page.page_number == body["pageNumber"]
    assert page.entries[0] == m.ReceivedEntry(
        VISIT,
        body["entries"][0]["content"],
        None,
        body["entries"][0]["checksum"],
        "application/fhir+json",
    )
    assert page.key_material.nonce == body["keyMaterial"]["nonce"]
    assert page.key_material.public_key == body["keyMaterial"]["dhPublicKey"]["keyValue"]


def test_page_is_not_refused_for_what_the_flow_can_do_without() -> None:
    body = sample("HealthInformationPush")
    entry = body["entries"][0]
    for name in ("media", "checksum", "careContextReference"):
        del entry[name]
    entry["content"], entry["link"] = None, "https://hip.example.in/f/1"
    body["keyMaterial"]["dhPublicKey"]["expiry"] = "tomorrow"
    for name in ("cryptoAlg", "curve"):
        del body["keyMaterial"][name]
    page = push(body)
    assert page.entries == (m.ReceivedEntry("", None, "https://hip.example.in/f/1", "", ""),)
    assert (page.key_material.algorithm, page.key_material.curve) == ("ECDH", "Curve25519")
    body["entries"] = []
    assert push(body).entries == ()


@pytest.mark.parametrize("place", ["transactionId", "pageNumber", "pageCount", "keyMaterial"])
def test_page_that_cannot_be_placed_or_opened_is_refused_by_name(place: str) -> None:
    body = sample("HealthInformationPush")
    del body[place]
    with pytest.raises(MalformedRequest, match=place):
        push(body)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff{}"])
def test_push_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        routes.decode_push(body)
