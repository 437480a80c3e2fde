"""The patient's pages and the SMS sink over HTTP, without a browser."""

import json
import re
from html import unescape

import pytest
import requests

from conformance.simulator.documents import readable, safe_narrative
from tests.unit.simulator.conftest import KONKAN, NILGIRI, HiuWorld, World
from tests.unit.simulator.small_hip import ADDRESS, HIP_ID, MOBILE


class Browser:
    """Just enough of one: follows redirects and keeps the last page."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url
        self.url = ""
        self.text = ""

    def _keep(self, reply: requests.Response) -> requests.Response:
        self.url, self.text = reply.url, unescape(reply.text)
        return reply

    def get(self, path: str) -> requests.Response:
        return self._keep(requests.get(self._base + path, timeout=60))

    def post(self, path: str, data: dict[str, object], **headers: str) -> requests.Response:
        url = path if path.startswith("http") else self._base + path
        return self._keep(requests.post(url, data=data, headers=headers, timeout=60))


@pytest.fixture
def browser(world: World) -> Browser:
    return Browser(world.client.base_url)


PERSON = f"/phr/{ADDRESS}/"


def link_by_pages(browser: Browser, world: World) -> None:
    browser.post(f"{PERSON}discover", {"hip_id": HIP_ID, "record_number": ""})
    assert "OPD visit 14 Aug 2026" in browser.text
    linking = browser.url
    browser.post(f"{linking}/choose", {"care_context": ["encounter-1", "encounter-2"]})
    assert "xxxxxx0045" in browser.text
    browser.post(f"{linking}/confirm", {"otp": world.client.latest_otp(MOBILE)})
    assert "Linked." in browser.text


def test_people_are_listed_and_the_root_leads_there(browser: Browser, world: World) -> None:
    browser.get("/")
    assert browser.url.endswith("/phr/")
    assert "Meera Joshi" in browser.text
    assert browser.get(PERSON).status_code == 200


def test_patient_links_grants_reads_and_revokes_by_pages(browser: Browser, world: World) -> None:
    link_by_pages(browser, world)
    request_id = world.ask()
    browser.get(PERSON)
    assert "Lakeside Clinic" in browser.text
    own = f"{PERSON}requests/{request_id}"
    browser.get(own)
    dates = dict(re.findall(r'name="(date_from|date_to|erase_at)" value="([0-9-]+)"', browser.text))
    assert len(dates) == 3
    visit = f"{HIP_ID}:encounter-1"
    narrowed = {"hi_type": "OPConsultation", "care_context": visit, **dates}
    browser.post(f"{own}/grant", narrowed)
    assert "/consents/" in browser.url
    consent = browser.url
    artefact_id = consent.rsplit("/", 1)[1]
    world.client.wait_acknowledged(artefact_id, "GRANTED")
    detail = world.client.artefact(artefact_id).detail
    assert detail["hiTypes"] == ["OPConsultation"]
    browser.post(f"{consent}/fetch", {})
    assert "OPConsultation of OPD visit 14 Aug 2026" in browser.text
    path = re.findall(rf'href="({PERSON}received/[^"]+)"', browser.text)[0]
    browser.get(path)
    assert "बुखार, two days" in browser.text
    assert "14 Aug 2026, 10:05" in browser.text
    raw = requests.get(world.client.base_url + path + ".json", timeout=60)
    assert raw.headers["Content-Type"] == "application/fhir+json"
    assert raw.json()["type"] == "document"
    browser.post(f"{consent}/revoke", {})
    assert "Revoked" in browser.text
    assert world.client.artefact(artefact_id).status == "REVOKED"


def test_hostile_narrative_loses_scripts_and_attributes(browser: Browser, world: World) -> None:
    world.link()
    artefact_id = world.consented()
    transaction_id = world.client.request_data(artefact_id)
    reply = requests.get(f"{world.client.base_url}{PERSON}received/{transaction_id}/0", timeout=60)
    page = reply.text.split("<details>")[0]
    assert "<td>बुखार" in page
    assert "<script" not in page
    assert "onclick" not in page
    assert "<script" not in reply.text.split("<details>")[1]  # escaped in the raw text
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]


def test_denied_request_shows_as_denied(browser: Browser, world: World) -> None:
    link_by_pages(browser, world)
    request_id = world.ask()
    browser.post(f"{PERSON}requests/{request_id}/deny", {})
    assert "Denied" in browser.text
    assert browser.post(f"{PERSON}requests/{request_id}/deny", {}).status_code == 400
    assert "cannot be answered again" in browser.text


def test_request_can_be_raised_from_the_pages(browser: Browser, world: World) -> None:
    link_by_pages(browser, world)
    browser.get(f"{PERSON}ask")
    dates = dict(re.findall(r'name="(date_from|date_to|erase_at)" value="([0-9-]+)"', browser.text))
    form = {"hiu_id": "CLINIC-9", "purpose": "CAREMGT", "hi_type": ["OPConsultation"], **dates}
    browser.post(f"{PERSON}ask", form)
    assert "CLINIC-9 asks for your records" in browser.text
    assert [one.hiu_id for one in world.client.consent_requests(ADDRESS)] == ["CLINIC-9"]


@pytest.mark.parametrize(
    ("path", "form", "sentence"),
    [
        ("discover", {"hip_id": "IN0000000009"}, "no facility"),
        ("discover", {"hip_id": HIP_ID, "record_number": "<b>"}, "plain characters"),
        ("ask", {"hi_type": "OPConsultation", "date_from": "soon"}, "year-month-day"),
        ("linking/none/choose", {}, "at least one visit"),
        ("requests/none/grant", {}, "no consent request"),
        ("consents/none/revoke", {}, "no consent artefact"),
    ],
)
def test_mistakes_are_explained_on_a_page(
    browser: Browser, path: str, form: dict[str, object], sentence: str
) -> None:
    reply = browser.post(PERSON + path, form)
    assert reply.status_code in (400, 404)
    assert sentence in browser.text


def test_wrong_otp_is_shown_and_can_be_typed_again(browser: Browser, world: World) -> None:
    browser.post(f"{PERSON}discover", {"hip_id": HIP_ID})
    linking = browser.url
    browser.post(f"{linking}/choose", {"care_context": ["encounter-1"]})
    assert browser.post(f"{linking}/confirm", {"otp": "12"}).status_code == 400
    browser.post(f"{linking}/confirm", {"otp": "000000"})
    assert "Incorrect OTP" in browser.text
    browser.post(f"{linking}/confirm", {"otp": world.client.latest_otp(MOBILE)})
    assert "Linked." in browser.text


def test_page_says_waiting_while_the_hospital_is_silent(browser: Browser, world: World) -> None:
    world.hip.silent = True
    browser.post(f"{PERSON}discover", {"hip_id": HIP_ID})
    assert "Waiting for the hospital" in browser.text
    assert 'http-equiv="refresh"' in browser.text


def test_one_person_cannot_open_another_ones_pages(browser: Browser, world: World) -> None:
    world.link()
    artefact_id = world.consented()
    transaction_id = world.client.request_data(artefact_id)
    request_id = world.client.artefact(artefact_id).request_id
    other = "/phr/nobody.known@sbx/"
    for path in (
        f"consents/{artefact_id}",
        f"requests/{request_id}",
        f"received/{transaction_id}/0",
        f"received/{transaction_id}/0.json",
    ):
        assert browser.get(PERSON + path).status_code == 200
        assert browser.get(other + path).status_code == 404
    assert browser.post(f"{other}consents/{artefact_id}/revoke", {}).status_code == 404
    assert world.client.artefact(artefact_id).status == "GRANTED"


def test_forms_of_other_sites_are_refused(browser: Browser, world: World) -> None:
    request_id = world.ask()
    path = f"{PERSON}requests/{request_id}/deny"
    assert browser.post(path, {}, Origin="https://elsewhere.example").status_code == 403
    assert world.client.consent_requests(ADDRESS)[0].status == "REQUESTED"


def test_names_are_escaped(browser: Browser, world: World) -> None:
    world.client.add_patient("odd@sbx", None, "<b>Odd</b>", "F", 1980, MOBILE)
    assert "<b>Odd" not in requests.get(f"{world.client.base_url}/phr/", timeout=60).text


# -- documents -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markup", "safe"),
    [
        ("<p onclick='x()'>a</p>", "<p>a</p>"),
        ("<script>x()</script>b", "b"),
        ("<svg><p>in</p></svg>after", "after"),
        ("<a href='javascript:x()'>link</a>", "link"),
        ("<b>open", "<b>open</b>"),
        ("<i><b>crossed</i></b>", "<i><b>crossed</b></i>"),
        ("&lt;script&gt;", "&lt;script&gt;"),
        ("a<br/>b", "a<br>b"),
        ("<img src=x onerror=y>", ""),
        ("</p></table>x", "x"),
    ],
)
def test_narrative_keeps_only_harmless_tags(markup: str, safe: str) -> None:
    assert safe_narrative(markup) == safe


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[]", b"null", b'{"entry": 5}', b'{"entry": [null, {"resource": 1}]}'],
)
def test_malformed_documents_are_shown_as_they_are(content: bytes) -> None:
    found = readable(content)
    assert found.title
    assert found.sections == []


def test_section_entries_are_described_from_the_bundle() -> None:
    bundle = {
        "entry": [
            {
                "fullUrl": "urn:uuid:1",
                "resource": {
                    "resourceType": "Composition",
                    "title": "Prescription",
                    "section": [
                        {"title": "Medicines", "entry": [{"reference": "urn:uuid:2"}]},
                        {"code": {"text": "Advice"}, "entry": [{"display": "Rest"}, 7]},
                    ],
                },
            },
            {
                "fullUrl": "urn:uuid:2",
                "resource": {
                    "resourceType": "MedicationRequest",
                    "medicationCodeableConcept": {"coding": [{"display": "Paracetamol"}]},
                },
            },
        ]
    }
    medicines, advice = readable(json.dumps(bundle).encode()).sections
    assert (medicines.title, medicines.entries) == (
        "Medicines",
        ["MedicationRequest: Paracetamol"],
    )
    assert (advice.title, advice.entries) == ("Advice", ["Rest"])


# -- SMS sink --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"to": "+91 98200 00045", "text": "Code 493817, valid 10 minutes", "purpose": "x"},
        {"mobile": MOBILE, "message": "493817"},
        {"phoneNo": f"91{MOBILE}", "otp": 493817},
    ],
)
def test_sink_takes_any_object_and_finds_the_code(world: World, body: dict[str, object]) -> None:
    reply = requests.post(f"{world.client.base_url}/sms", json=body, timeout=60)
    assert reply.status_code == 202
    assert world.client.latest_otp(MOBILE) == "493817"


@pytest.mark.parametrize("body", [[], {}, {"to": MOBILE}, "text"])
def test_sink_refuses_what_is_no_message(world: World, body: object) -> None:
    reply = requests.post(f"{world.client.base_url}/sms", json=body, timeout=60)
    assert reply.status_code == 400
    assert world.client.sms() == []


def test_patient_answers_another_hospitals_request_visit_by_visit(hiu_world: HiuWorld) -> None:
    browser = Browser(hiu_world.client.base_url)
    request_id = hiu_world.hiu.asked(ADDRESS)
    browser.get(f"{PERSON}requests/{request_id}")
    for shown in ("Dr. Nisha Rao", "Visits at Nilgiri Clinic", "Visits at Konkan Heart Institute"):
        assert shown in browser.text
    dates = dict(re.findall(r'name="(date_from|date_to|erase_at)" value="([0-9-]+)"', browser.text))
    visits = [f"{NILGIRI}:N-1", f"{NILGIRI}:N-2"]
    form = {"hi_type": "OPConsultation", "care_context": visits, **dates}
    browser.post(f"{PERSON}requests/{request_id}/grant", form)
    assert "Records at Nilgiri Clinic" in browser.text
    assert "fetch now" not in browser.text, "our hospital fetches by itself"
    (artefact_id,) = hiu_world.client.consent_request(request_id).artefacts
    contexts = hiu_world.client.artefact(artefact_id).detail["careContexts"]
    assert [one["careContextReference"] for one in contexts] == ["N-1", "N-2"]
    hiu_world.client.wait_hiu_acknowledged(request_id, "GRANTED")
    browser.post(f"{PERSON}consents/{artefact_id}/revoke", {})
    hiu_world.client.wait_hiu_acknowledged(request_id, "REVOKED")
    browser.get(f"{PERSON}requests/{request_id}")
    assert re.findall(r"<td>(OK|PENDING)</td>", browser.text) == ["OK", "OK"]


def test_same_reference_at_two_hospitals_is_allowed_at_the_chosen_one_only(
    hiu_world: HiuWorld,
) -> None:
    hiu_world.client.add_record(KONKAN, ADDRESS, "N-1", "OPConsultation", b"theirs")
    browser = Browser(hiu_world.client.base_url)
    request_id = hiu_world.hiu.asked(ADDRESS)
    browser.get(f"{PERSON}requests/{request_id}")
    dates = dict(re.findall(r'name="(date_from|date_to|erase_at)" value="([0-9-]+)"', browser.text))
    form = {"hi_type": "OPConsultation", "care_context": f"{KONKAN}:N-1", **dates}
    browser.post(f"{PERSON}requests/{request_id}/grant", form)
    granted = hiu_world.client.consent_request(request_id).artefacts
    assert [hiu_world.client.artefact(one).hip_id for one in granted] == [KONKAN]
