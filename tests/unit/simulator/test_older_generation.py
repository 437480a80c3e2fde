"""A bridge of v0.5: every message in its form, by the same rules, and what only v0.5 has."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance import schemas
from conformance.simulator import refcrypto
from conformance.simulator.client import SimulatorClient
from conformance.simulator.server import RunningSimulator
from conformance.simulator.times import timestamp
from tests.contract import openapi
from tests.unit.simulator.small_hip import ADDRESS, MOBILE, VISITS, document, report
from tests.unit.simulator.small_hiu import REQUESTER
from tests.unit.simulator.small_older import GATEWAY, OLDER_CLIENT_ID, OLDER_ID, SmallOlder

NILGIRI = "IN2910009001"
DEMOGRAPHIC = {"name": "Meera Joshi", "gender": "F", "dateOfBirth": "1984-03-11"}


@dataclass
class Older:
    """The simulator's client and the bridge that talks to it in v0.5."""

    client: SimulatorClient
    bridge: SmallOlder

    def token(self) -> str:
        """An access token that a patient's demographics earned."""
        answer = self.bridge.confirmed(self.bridge.started("DEMOGRAPHICS"), demographic=DEMOGRAPHIC)
        return str(answer["auth"]["accessToken"])

    def consented(self) -> str:
        """An artefact for both visits, acknowledged."""
        assert "error" not in self.bridge.added(self.token())
        moment = datetime.now(UTC)
        asked = self.client.raise_consent_request(
            "REMOTE-HIU", ADDRESS, ["OPConsultation", "Prescription", "Invoice"],
            moment - timedelta(days=365), moment, moment + timedelta(days=1),
        )  # fmt: skip
        (artefact_id,) = self.client.grant(asked)
        assert self.client.wait_acknowledged(artefact_id, "GRANTED").acknowledgement == "OK"
        return artefact_id


@pytest.fixture
def older(running: RunningSimulator) -> Iterator[Older]:
    client = running.client
    client.reset()
    bridge = SmallOlder(running.base_url).start()
    client.add_bridge(OLDER_CLIENT_ID, bridge.client_secret, bridge.url, generation="v0.5")
    client.add_service(OLDER_ID, "Malnad Hospital", ["HIP", "HIU"], OLDER_CLIENT_ID)
    client.add_service("REMOTE-HIU", "Lakeside Clinic", ["HIU"])
    client.add_service(NILGIRI, "Nilgiri Clinic", ["HIP"])
    client.add_patient(ADDRESS, "91-2200-0000-4405", "Meera Joshi", "F", 1984, MOBILE)
    yield Older(client, bridge)
    for exchange in client.exchanges(direction="out"):
        _check(exchange.message, exchange.url, exchange.body)
    client.reset()
    bridge.stop()


def _check(message: str, url: str, body: Any) -> None:
    """Every callback fits our schema and, where they lie beside the project, NDHM's files."""
    if "/v0.5/" not in url and "/v1.0/" not in url:
        return
    name = f"{message}-v1.0" if "/v1.0/" in url else message
    assert schemas.problems(name, body, "v0.5") == []
    if openapi.FOLDER.exists():
        assert openapi.problems(name, body) == []


# -- gateway ---------------------------------------------------------------------------------


def test_session_keys_and_heartbeat(older: Older) -> None:
    raw, none = older.bridge.raw, {"Authorization": None}
    body = {"clientId": OLDER_CLIENT_ID, "clientSecret": older.bridge.client_secret,
            "grantType": "client_credentials"}  # fmt: skip
    reply = raw("POST", f"{GATEWAY}/sessions", body, none)
    assert reply.status_code == 200
    assert schemas.problems("SessionResponse", reply.json(), "v0.5-bridge") == []
    wrong = raw("POST", f"{GATEWAY}/sessions", {**body, "clientSecret": "x"}, none)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, 1922)
    kids = {key["kid"] for key in raw("GET", f"{GATEWAY}/certs", headers=none).json()["keys"]}
    newer = raw("GET", "/api/hiecm/gateway/v3/certs", headers=none).json()["keys"]
    assert kids.isdisjoint({key["kid"] for key in newer})
    where = raw("GET", f"{GATEWAY}/.well-known/openid-configuration", headers=none)
    assert where.json()["jwks_uri"].endswith("/gateway/v0.5/certs")
    beat = raw("GET", f"{GATEWAY}/heartbeat", headers=none).json()
    assert schemas.problems("HeartbeatResponse", beat, "v0.5-bridge") == []


def test_a_token_of_one_generation_does_not_open_the_other(older: Older) -> None:
    assert older.bridge.raw("GET", "/api/hiecm/gateway/v3/bridge-services").status_code == 401
    newer = older.bridge.raw(
        "POST",
        "/api/hiecm/gateway/v3/sessions",
        {"clientId": OLDER_CLIENT_ID, "clientSecret": older.bridge.client_secret,
         "grantType": "client_credentials"},
        {"Authorization": None},
    ).json()["accessToken"]  # fmt: skip
    bearer = {"Authorization": f"Bearer {newer}"}
    listed = older.bridge.raw("GET", "/gateway/v1/bridges/getServices", headers=bearer)
    assert (listed.status_code, listed.json()["error"]["code"]) == (401, 2401)


@pytest.mark.parametrize("base", ["/gateway/v1/bridges", "/devservice/v1/bridges"])
def test_bridge_url_and_services(older: Older, base: str) -> None:
    raw = older.bridge.raw
    assert raw("PATCH", base, {"url": older.bridge.url}).status_code == 200
    entry = {"id": "IN2910000051", "name": "Malnad Annexe", "type": "HIP", "active": True}
    assert raw("POST", f"{base}/addUpdateServices", [entry]).status_code == 200
    assert raw("PUT", f"{base}/addUpdateServices", [{**entry, "type": "HIU"}]).status_code == 200
    listed = raw("GET", f"{base}/getServices").json()
    assert schemas.problems("BridgeServicesResponse", listed, "v0.5-bridge") == []
    assert {one["id"]: one["types"] for one in listed["services"]} == {
        OLDER_ID: ["HIP", "HIU"],
        "IN2910000051": ["HIP", "HIU"],
    }
    if openapi.FOLDER.exists():
        path = "/v1/bridges/getServices"
        assert openapi.reply_problems("ndhm-devservice", path, listed) == []
    stranger = raw("POST", f"{base}/addUpdateServices", [{**entry, "id": NILGIRI}])
    assert (stranger.status_code, stranger.json()["error"]["code"]) == (400, 1035)


@pytest.mark.parametrize(
    ("service_id", "role"),
    [(OLDER_ID, "HIP_AND_HIU"), (NILGIRI, "HIP"), ("REMOTE-HIU", "HIU")],
)
def test_a_service_of_any_bridge_is_described(older: Older, service_id: str, role: str) -> None:
    told = older.bridge.raw("GET", f"{GATEWAY}/hi-services/{service_id}").json()
    assert schemas.problems("BridgeServiceResponse", told, "v0.5-bridge") == []
    assert (told["id"], told["type"], told["active"]) == (service_id, role, True)
    if openapi.FOLDER.exists():
        path = "/v0.5/hi-services/{service-id}"
        assert openapi.reply_problems("ndhm-gateway-v1", path, told) == []


def test_a_service_that_is_not_there_is_not_found_and_nobody_asks_without_a_token(
    older: Older,
) -> None:
    path = f"{GATEWAY}/hi-services/IN0000000000"
    missing = older.bridge.raw("GET", path)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, 2404)
    assert older.bridge.raw("GET", path, headers={"Authorization": None}).status_code == 401


@pytest.mark.parametrize(
    ("change", "headers", "status", "code"),
    [
        ({"timestamp": "2020-01-01T00:00:00.000Z"}, {}, 400, 2500),
        ({"requestId": "7"}, {}, 400, 2500),
        ({"more": 1}, {}, 400, 2500),
        ({}, {"X-CM-ID": "other"}, 400, 2403),
        ({}, {"Authorization": None}, 401, 2401),
    ],
    ids=["stale", "no uuid", "unknown member", "consent manager", "no token"],
)
def test_bad_calls_are_refused_at_once(
    older: Older, change: dict[str, Any], headers: dict[str, Any], status: int, code: int
) -> None:
    around = {"requestId": str(uuid.uuid4()), "timestamp": timestamp(datetime.now(UTC))}
    body = {**around, **older.bridge.query(), **change}
    reply = older.bridge.raw("POST", f"{GATEWAY}/users/auth/fetch-modes", body, headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


def test_a_request_id_counts_once_and_unknown_paths_are_refused(older: Older) -> None:
    request_id = str(uuid.uuid4())
    older.bridge.asked("users/auth/fetch-modes", older.bridge.query(), "auth/on-fetch-modes")
    for status in (202, 429):
        reply = older.bridge.call(
            "users/auth/fetch-modes", older.bridge.query(), requestId=request_id
        )
        assert reply.status_code == status
    assert reply.json()["error"]["code"] == 2429
    assert older.bridge.call("no/such/path", {}).status_code == 404


# -- finding and proving a patient -----------------------------------------------------------


def test_a_patient_is_found_or_not(older: Older) -> None:
    def found(address: str, requester: str = OLDER_ID) -> Any:
        query = {"patient": {"id": address}, "requester": {"type": "HIU", "id": requester}}
        return older.bridge.asked("patients/find", {"query": query}, "patients/on-find")

    assert found(ADDRESS)["patient"] == {"id": ADDRESS, "name": "Meera Joshi"}
    assert found("nobody@sbx")["error"]["code"] == 1404
    assert found(ADDRESS, "REMOTE-HIU")["error"]["code"] == 1417


def test_modes_are_told_and_can_be_set(older: Older) -> None:
    answer = older.bridge.asked(
        "users/auth/fetch-modes", older.bridge.query(), "auth/on-fetch-modes"
    )
    modes = ["DEMOGRAPHICS", "MOBILE_OTP", "AADHAAR_OTP", "DIRECT"]
    assert answer["auth"] == {"purpose": "LINK", "modes": modes}
    older.client.configure(auth_modes="MOBILE_OTP")
    init = older.bridge.query("DEMOGRAPHICS")
    refused = older.bridge.asked("users/auth/init", init, "users/auth/on-init")
    assert refused["error"]["code"] == 1031


@pytest.mark.parametrize("mode", ["MOBILE_OTP", "AADHAAR_OTP"])
def test_an_otp_earns_a_token_and_wrong_ones_are_counted(older: Older, mode: str) -> None:
    older.client.configure(auth_tries=2)
    transaction_id = older.bridge.started(mode, "KYC_AND_LINK")
    otp = older.client.latest_otp(MOBILE)
    wrong = older.bridge.confirmed(transaction_id, authCode="000000")
    assert wrong["error"]["code"] == 1405
    auth = older.bridge.confirmed(transaction_id, authCode=otp)["auth"]
    assert auth["validity"]["limit"] == 1
    assert auth["patient"]["yearOfBirth"] == 1984
    assert older.bridge.confirmed(transaction_id, authCode=otp)["error"]["code"] == 1427
    again = older.bridge.started(mode)
    codes = [older.bridge.confirmed(again, authCode="000000")["error"]["code"] for _ in range(3)]
    assert codes == [1405, 1405, 1408]


def test_demographics_must_match_and_kyc_gives_no_token(older: Older) -> None:
    stranger = {**DEMOGRAPHIC, "dateOfBirth": "1983-03-11"}
    transaction_id = older.bridge.started("DEMOGRAPHICS", "KYC")
    wrong = older.bridge.confirmed(transaction_id, demographic=stranger)
    assert wrong["error"]["code"] == 1036
    auth = older.bridge.confirmed(transaction_id, demographic=DEMOGRAPHIC)["auth"]
    assert "accessToken" not in auth
    assert auth["patient"]["name"] == "Meera Joshi"


def test_direct_is_decided_in_the_app(older: Older) -> None:
    older.bridge.started("DIRECT")
    (asked,) = older.client.auths(ADDRESS)
    older.client.decide_auth(asked["id"])
    told = older.bridge.wait("users/auth/notify").body["auth"]
    assert told["status"] == "GRANTED"
    assert "error" not in older.bridge.added(told["accessToken"])
    older.bridge.started("DIRECT")
    (other,) = older.client.auths(ADDRESS)
    older.client.decide_auth(other["id"], granted=False)
    assert older.bridge.wait("users/auth/notify", 2).body["auth"]["status"] == "DENIED"
    (done, *_) = older.client.wait_exchange("LinkTokenOnNotifyRequest", "in", 2)
    assert done.status == 202


def test_news_of_an_account_reaches_who_has_links(older: Older) -> None:
    older.bridge.added(older.token())
    older.client.patient_status(ADDRESS, "DEACTIVATED")
    notice = older.bridge.wait("patients/status/notify").body["notification"]
    assert notice == {"status": "DEACTIVATED", "patient": {"id": ADDRESS}}
    (taken,) = older.client.wait_exchange("PatientStatusOnNotifyRequest", "in")
    assert taken.status == 202
    query = {"patient": {"id": ADDRESS}, "requester": {"type": "HIU", "id": OLDER_ID}}
    gone = older.bridge.asked("patients/find", {"query": query}, "patients/on-find")
    assert gone["error"]["code"] == 1404


# -- linking ---------------------------------------------------------------------------------


def test_a_token_links_as_often_as_its_limit_says(older: Older) -> None:
    token = older.token()
    assert older.bridge.added(token, "encounter-1")["acknowledgement"] == {"status": "SUCCESS"}
    assert older.bridge.added(token, "encounter-2")["error"]["code"] == 1401
    assert older.bridge.added("made-up", "encounter-2")["error"]["code"] == 1401
    assert [(link.care_context, link.hi_type) for link in older.client.links(ADDRESS)] == [
        ("encounter-1", "")
    ]


def test_new_content_is_noted_for_linked_visits_only(older: Older) -> None:
    older.bridge.added(older.token(), "encounter-1")

    def noted(reference: str) -> Any:
        notification = {
            "patient": {"id": ADDRESS},
            "careContext": {"patientReference": "MRN-2208", "careContextReference": reference},
            "hiTypes": ["OPConsultation"],
            "date": timestamp(datetime.now(UTC)),
            "hip": {"id": OLDER_ID},
        }
        return older.bridge.asked(
            "links/context/notify", {"notification": notification}, "context/on-notify"
        )

    assert "error" not in noted("encounter-1")
    assert noted("encounter-2")["error"]["code"] == 1006
    assert len(older.client.context_notifications()) == 1


def test_an_sms_goes_out_for_a_hospital(older: Older) -> None:
    notification = {"phoneNo": f"+91{MOBILE}", "hip": {"id": OLDER_ID}}
    answer = older.bridge.asked(
        "patients/sms/notify2", {"notification": notification}, "sms/on-notify"
    )
    assert answer["status"] == "ACKNOWLEDGED"
    assert "Malnad Hospital" in older.client.sms()[-1].text


def test_the_oldest_sms_names_the_visit_and_the_hospitals_own_link(older: Older) -> None:
    notification = {
        "phoneNo": f"+91-{MOBILE}",
        "receiverName": "Meera Joshi",
        "careContextInfo": "X-Ray on 22nd Dec",
        "deeplinkUrl": "https://hospital.example/records",
        "hip": {"id": OLDER_ID},
    }
    body = {"requestId": str(uuid.uuid4()), "timestamp": timestamp(datetime.now(UTC))}
    body |= {"notification": notification}
    if openapi.FOLDER.exists():
        assert openapi.problems("SmsNotifyRequest-deprecated", body) == []
    answer = older.bridge.asked(
        "patients/sms/notify", {"notification": notification}, "sms/on-notify"
    )
    assert answer["status"] == "ACKNOWLEDGED"
    text = older.client.sms()[-1].text
    assert text.startswith("X-Ray on 22nd Dec from Malnad Hospital")
    assert text.endswith("https://hospital.example/records")
    del notification["careContextInfo"]
    refused = older.bridge.call("patients/sms/notify", {"notification": notification})
    assert refused.status_code == 400


def test_a_patient_discovers_selects_and_confirms(older: Older) -> None:
    found = older.client.discover(ADDRESS, OLDER_ID, [("MR", "MRN-2208")])
    assert found.matched_by == ["MOBILE", "ABHA_NUMBER"]
    asked = older.bridge.wait("care-contexts/discover").body["patient"]
    assert [one["type"] for one in asked["verifiedIdentifiers"]] == ["MOBILE", "NDHM_HEALTH_NUMBER"]
    challenge = older.client.link_init(found.transaction_id, ["encounter-2"])
    wrong = older.client.link_confirm(challenge.reference, "000000")
    assert wrong.error is not None
    assert wrong.error.code == "3405"
    otp = older.client.latest_otp(MOBILE)
    assert older.client.link_confirm(challenge.reference, otp).error is None
    assert [link.care_context for link in older.client.links(ADDRESS)] == ["encounter-2"]


@pytest.mark.parametrize("version", ["v1.0", "v0.5"])
def test_a_profile_is_shared_and_answered(older: Older, version: str) -> None:
    older.bridge.silent = True
    older.client.configure(share_version=version)
    share_id = older.client.scan_qr(ADDRESS, f'{{"hipId":"{OLDER_ID}","code":"12"}}')
    told = older.bridge.wait(f"{version}/patients/profile/share").body
    assert told["profile"]["hipCode"] == "12"
    acknowledgement = {"status": "SUCCESS", "healthId": ADDRESS}
    if version == "v1.0":
        acknowledgement["tokenNumber"] = "17"
    members = {"acknowledgement": acknowledgement, "resp": {"requestId": told["requestId"]}}
    path = f"/gateway/{version}/patients/profile/on-share"
    assert older.bridge.call(path, members).status_code == 202
    assert older.bridge.call(path, members).json()["error"]["code"] == 1087
    assert older.client.share(share_id).status == "ACCEPTED"


# -- consent and data ------------------------------------------------------------------------


def test_a_remote_hiu_gets_the_records_until_the_consent_is_revoked(older: Older) -> None:
    artefact_id = older.consented()
    detail = older.bridge.consents[artefact_id]["consentDetail"]
    assert detail["hiTypes"] == ["OPConsultation", "Prescription"]
    transfer = older.client.transfer(older.client.request_data(artefact_id))
    assert transfer.errors == []
    assert [d.content for d in transfer.documents] == [document(one) for one in VISITS]
    older.client.revoke(artefact_id)
    assert older.client.wait_acknowledged(artefact_id, "REVOKED").acknowledgement == "OK"
    assert older.bridge.consents[artefact_id]["consentDetail"]["consentId"] == artefact_id


def test_an_answer_to_nothing_is_refused_at_once(older: Older) -> None:
    resp = {"resp": {"requestId": str(uuid.uuid4())}}
    acknowledgement = {"acknowledgement": {"status": "OK", "consentId": str(uuid.uuid4())}}
    reply = older.bridge.call("consents/hip/on-notify", {**acknowledgement, **resp})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, 1015)


def _asked(moment: datetime, **changes: Any) -> dict[str, Any]:
    asked = {
        "purpose": {
            "text": "Care Management",
            "code": "CAREMGT",
            "refUri": "http://terminology.hl7.org/ValueSet/v3-PurposeOfUse",
        },
        "patient": {"id": ADDRESS},
        "hiu": {"id": OLDER_ID},
        "requester": REQUESTER,
        "hiTypes": ["OPConsultation"],
        "permission": {
            "accessMode": "VIEW",
            "dateRange": {
                "from": timestamp(moment - timedelta(days=365)),
                "to": timestamp(moment - timedelta(seconds=1)),
            },
            "dataEraseAt": timestamp(moment + timedelta(days=1)),
            "frequency": {"unit": "HOUR", "value": 1, "repeats": 0},
        },
    }
    return {"consent": {**asked, **changes}}


def test_an_hiu_asks_follows_and_fetches(older: Older) -> None:
    bridge, moment = older.bridge, datetime.now(UTC)
    older.client.add_record(
        NILGIRI, ADDRESS, "N-1", "OPConsultation", b"note", dated_at=moment - timedelta(days=3)
    )
    asked = bridge.asked("consent-requests/init", _asked(moment), "consent-requests/on-init")
    request_id = asked["consentRequest"]["id"]
    (artefact_id,) = older.client.grant(request_id)
    assert older.client.wait_hiu_acknowledged(request_id, "GRANTED").acknowledgement == "OK"
    status = bridge.asked(
        "consent-requests/status", {"consentRequestId": request_id}, "consent-requests/on-status"
    )
    assert status["consentRequest"]["consentArtefacts"] == [{"id": artefact_id}]
    fetched = bridge.asked("consents/fetch", {"consentId": artefact_id}, "consents/on-fetch")
    assert fetched["consent"]["consentDetail"]["hip"]["id"] == NILGIRI
    older.client.revoke(artefact_id)
    bridge.wait("consents/hiu/notify", 2)
    ended = bridge.asked("consents/fetch", {"consentId": artefact_id}, "consents/on-fetch")
    assert ended["consent"]["status"] == "REVOKED"


def test_an_hiu_asks_for_data_and_reports_what_came(older: Older) -> None:
    bridge, moment = older.bridge, datetime.now(UTC)
    older.client.add_record(
        NILGIRI, ADDRESS, "N-1", "OPConsultation", b"note", dated_at=moment - timedelta(days=3)
    )
    asked = bridge.asked("consent-requests/init", _asked(moment), "consent-requests/on-init")
    (artefact_id,) = older.client.grant(asked["consentRequest"]["id"])
    keys = refcrypto.generate_key_pair()
    request = {
        "consent": {"id": artefact_id},
        "dateRange": _asked(moment)["consent"]["permission"]["dateRange"],
        "dataPushUrl": f"{bridge.url}/push/1",
        "keyMaterial": refcrypto.key_material(keys, "raw", moment + timedelta(days=1)),
    }
    answer = bridge.asked(
        "health-information/cm/request",
        {"hiRequest": request},
        "health-information/hiu/on-request",
    )
    transaction_id = answer["hiRequest"]["transactionId"]
    page = bridge.wait("/push/1").body
    assert page["transactionId"] == transaction_id
    line = {"careContextReference": "N-1", "hiStatus": "OK", "description": "Ok"}
    told = report(transaction_id, artefact_id, [line])["notification"]
    told["notifier"] = {"type": "HIU", "id": OLDER_ID}
    told["statusNotification"]["hipId"] = NILGIRI
    assert bridge.call("health-information/notify", {"notification": told}).status_code == 202
    seen = older.client.transfer(transaction_id).hiu_notifications[transaction_id]
    assert seen["statusNotification"]["sessionStatus"] == "RECEIVED"
    used = bridge.asked(
        "health-information/cm/request",
        {"hiRequest": request},
        "health-information/hiu/on-request",
    )
    assert used["error"]["code"] == 1101


def test_what_an_hiu_may_not_ask_is_refused_in_the_callback(older: Older) -> None:
    moment = datetime.now(UTC)
    purpose = {"text": "Curiosity", "code": "WHY", "refUri": "http://example.in"}
    for changes, code in (({"patient": {"id": "nobody@sbx"}}, 1404), ({"purpose": purpose}, 1047)):
        answer = older.bridge.asked(
            "consent-requests/init", _asked(moment, **changes), "consent-requests/on-init"
        )
        assert answer["error"]["code"] == code
    unknown = {"consentId": str(uuid.uuid4())}
    fetched = older.bridge.asked("consents/fetch", unknown, "consents/on-fetch")
    assert fetched["error"]["code"] == 9999


def test_one_bridge_may_have_facilities_of_both_generations(older: Older) -> None:
    older.bridge.silent = True
    older.client.add_service(
        "IN2910000060", "Malnad Annexe", ["HIP"], OLDER_CLIENT_ID, generation="v3"
    )
    older.client.configure(callback_repeat_after=60.0)
    with pytest.raises(Exception, match="on-discover"):
        older.client.discover(ADDRESS, "IN2910000060", timeout=0.5)
    (sent,) = older.client.exchanges("DiscoverCareContexts", "out")
    assert sent.url.endswith("/api/v3/hip/patient/care-context/discover")
