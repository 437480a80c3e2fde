"""A link token that has to be proven first: by demographics, an OTP at the desk, or in the app."""

import uuid
from dataclasses import replace

import pytest
from pydantic import SecretStr

from adapter import work
from adapter.app import create_app
from adapter.config import ApiKey
from adapter.flows import link_challenge
from adapter.flows.hip_linking import advance
from adapter.protocol.errors import Conflict, MalformedRequest, NotFound
from adapter.runtime import Adapter
from tests.flows.harness import LINK, Json, Site
from tests.flows.linking import TOKEN, Linking
from tests.flows.wire import Call

pytestmark = pytest.mark.hapi
GENERATIONS = ("v0.5",)

MODES = "/users/auth/fetch-modes"
INIT = "/users/auth/init"
CONFIRM = "/users/auth/confirm"
ON_NOTIFY = "/users/auth/on-notify"


class Desk(Linking):
    """The first visit's link token is being asked for; ABDM offers these ways."""

    def __init__(self, site: Site, *modes: str, **patient: object) -> None:
        super().__init__(site, **patient)
        self.transaction = str(uuid.uuid4())
        # The steps are answered here, not by the harness.
        site.outside.hook = self._keep
        self.link()
        self.say(
            self.sent(MODES), "LinkTokenModes", {"auth": {"purpose": "LINK", "modes": [*modes]}}
        )

    def _keep(self, call: Call) -> None:
        if "/users/auth/" in call.path and "requestId" in call.body:
            self.site.answered.add(call.body["requestId"])

    def sent(self, path: str) -> Json:
        return [call for call in self.site.outside.wires if call.path.endswith(path)][-1].body

    def say(self, answered: Json, name: str, body: Json) -> None:
        self.site.deliver(name, body | {"response": {"requestId": answered["requestId"]}})

    def challenge(self, mode: str, minutes: int = 10) -> None:
        meta = {"hint": "xxxxxx0045"}
        auth = {"transactionId": self.transaction, "mode": mode, "meta": meta}
        self.say(self.sent(INIT), "LinkTokenChallenge", {"auth": auth})

    def token(self) -> Json:
        return self.site.row("link_token")


def with_key(site: Site) -> Adapter:
    """The site's adapter with a key for its desk."""
    keys = (ApiKey(SecretStr("a-key-of-the-desk"), None),)
    config = site.adapter.config.model_copy(update={"hims_api_keys": keys})
    return replace(site.adapter, config=config)


def confirmed(desk: Desk, limit: int = 1) -> None:
    validity = {
        "purpose": "LINK",
        "requester": {"type": "HIP", "id": desk.site.hip_id},
        "expiry": "2027-04-30T04:10:00.000Z",
        "limit": limit,
    }
    auth = {"accessToken": TOKEN, "validity": validity}
    desk.say(desk.sent(CONFIRM), "OnGenerateLinkToken", {"auth": auth})


def test_demographics_are_said_at_once_where_abdm_offers_them(site: Site) -> None:
    desk = Desk(site, "MOBILE_OTP", "DEMOGRAPHICS")
    assert desk.sent(INIT)["query"]["authMode"] == "DEMOGRAPHICS"
    desk.challenge("DEMOGRAPHICS")
    person = desk.sent(CONFIRM)["credential"]["demographic"]
    assert (person["name"], person["gender"], person["dateOfBirth"]) == (
        "Asha Verma",
        "F",
        "1991-04-02",
    )
    confirmed(desk)
    assert desk.sent("/links/link/add-contexts")["link"]["accessToken"] == TOKEN
    desk.accept()
    assert desk.states() == {"LINKED"}


def test_a_token_for_one_use_is_kept_for_no_second_one(site: Site) -> None:
    desk = Desk(site, "DEMOGRAPHICS")
    desk.challenge("DEMOGRAPHICS")
    confirmed(desk)
    assert (desk.token()["state"], desk.token()["token"]) == ("EXPIRED", None)
    assert len(site.outside.to(LINK)) == 1


def test_a_token_for_many_uses_is_kept(site: Site) -> None:
    desk = Desk(site, "DEMOGRAPHICS")
    desk.challenge("DEMOGRAPHICS")
    confirmed(desk, limit=50)
    assert desk.token()["state"] == "ACTIVE"


def test_without_a_whole_birth_date_the_patient_gets_an_otp_and_the_desk_types_it(
    site: Site,
) -> None:
    desk = Desk(site, "DEMOGRAPHICS", "MOBILE_OTP", birthDate="1991")
    assert desk.sent(INIT)["query"]["authMode"] == "MOBILE_OTP"
    desk.challenge("MOBILE_OTP")
    assert desk.token()["state"] == "CHALLENGED"
    client = create_app(with_key(site)).test_client()
    headers = {"Authorization": "Bearer a-key-of-the-desk", "X-User": "desk-1"}
    (shown,) = client.get("/hims/v1/links/challenges", headers=headers).json["challenges"]
    assert (shown["mode"], shown["hint"], shown["patient_id"]) == (
        "MOBILE_OTP",
        "xxxxxx0045",
        desk.patient["id"],
    )
    path = f"/hims/v1/links/challenges/{shown['id']}"
    assert client.post(path, json={"otp": "081604"}, headers=headers).status_code == 202
    site.run()
    sent = desk.sent(CONFIRM)
    assert (sent["transactionId"], sent["credential"]) == (desk.transaction, {"authCode": "081604"})
    confirmed(desk)
    desk.accept()
    assert desk.states() == {"LINKED"}
    assert client.get("/hims/v1/links/challenges", headers=headers).json == {"challenges": []}


def test_a_wrong_otp_may_be_typed_again(site: Site) -> None:
    desk = Desk(site, "MOBILE_OTP")
    desk.challenge("MOBILE_OTP")
    challenge_id = desk.token()["id"]
    for otp in ("111111", "081604"):
        link_challenge.confirm_otp(site.adapter, challenge_id, otp, hip_ids=[site.hip_id])
        site.run()
        if otp == "111111":
            error = {"error": {"code": 1405, "message": "Wrong OTP"}}
            desk.say(desk.sent(CONFIRM), "OnGenerateLinkToken", error)
            assert "type it again" in site.row("link_challenge")["sentence"]
    confirmed(desk)
    assert desk.token()["state"] == "EXPIRED"
    assert len(site.outside.to(LINK)) == 1


def test_an_otp_that_nobody_typed_in_time_fails_the_links_and_sends_no_second_one(
    site: Site,
) -> None:
    desk = Desk(site, "MOBILE_OTP")
    desk.challenge("MOBILE_OTP")
    challenge_id = desk.token()["id"]
    site.clock.advance(minutes=11)
    with pytest.raises(Conflict, match="link the visit again"):
        link_challenge.confirm_otp(site.adapter, challenge_id, "081604", hip_ids=[site.hip_id])
    with site.adapter.db.transaction() as tx:
        sentence = advance(site.adapter, tx, site.hip_id, desk.patient["identifier"][0]["value"])
    assert "in time" in sentence
    assert desk.states() == {"FAILED"}
    site.run()
    asked = [call for call in site.outside.wires if call.path.endswith(INIT)]
    assert len(asked) == 1


def test_a_challenge_that_abdm_does_not_answer_is_not_asked_for_twice(site: Site) -> None:
    """Each request may send the patient another OTP."""
    desk = Desk(site, "MOBILE_OTP")
    for _ in range(3):
        site.clock.advance(minutes=2)
        work.sweep(site.adapter)
        site.run()
    assert len([call for call in site.outside.wires if call.path.endswith(INIT)]) == 1
    assert desk.states() == {"FAILED"}


@pytest.mark.parametrize(("otp", "error"), [("", MalformedRequest), ("12a", MalformedRequest)])
def test_what_is_no_otp_is_refused(site: Site, otp: str, error: type[Exception]) -> None:
    desk = Desk(site, "MOBILE_OTP")
    desk.challenge("MOBILE_OTP")
    with pytest.raises(error):
        link_challenge.confirm_otp(site.adapter, desk.token()["id"], otp, hip_ids=[site.hip_id])
    with pytest.raises(NotFound):
        link_challenge.confirm_otp(site.adapter, desk.token()["id"], "1", hip_ids=["another"])


@pytest.mark.parametrize("granted", [True, False])
def test_the_patient_decides_in_their_own_app(site: Site, granted: bool) -> None:
    desk = Desk(site, "DIRECT")
    desk.challenge("DIRECT")
    auth = {"transactionId": desk.transaction, "status": "GRANTED" if granted else "DENIED"}
    if granted:
        auth["accessToken"] = TOKEN
    site.deliver("LinkTokenNotify", {"auth": auth})
    assert desk.sent(ON_NOTIFY)["acknowledgement"] == {"status": "OK"}
    assert desk.states() == ({"SENT"} if granted else {"FAILED"})


def test_no_way_that_can_be_used_fails_the_links_with_what_to_do(site: Site) -> None:
    desk = Desk(site, "DEMOGRAPHICS", birthDate="1991")
    assert desk.states() == {"FAILED"}
    assert "date of birth" in site.rows("care_context_link")[0]["sentence"]


@pytest.mark.parametrize("status", ["DEACTIVATED", "DELETED"])
def test_an_abha_that_has_ended_links_nothing_any_more(site: Site, status: str) -> None:
    desk = Desk(site, "DEMOGRAPHICS")
    desk.challenge("DEMOGRAPHICS")
    confirmed(desk)
    desk.accept()
    patient = {"id": desk.patient["identifier"][0]["value"]}
    site.deliver("PatientStatusNotify", {"notification": {"status": status, "patient": patient}})
    assert desk.states() == {"WITHDRAWN"}
    assert desk.sent("/patients/status/on-notify")["acknowledgment"] == {"status": "OK"}
