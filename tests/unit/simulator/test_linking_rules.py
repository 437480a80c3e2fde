"""HIP-initiated and user-initiated linking: each broken rule and what the HIP sees."""

import time
import uuid
from typing import Any

import pytest

from tests.unit.simulator.conftest import World
from tests.unit.simulator.small_hip import ADDRESS, HIP_ID, MOBILE, SmallHip

PROFILE = {"abhaAddress": ADDRESS, "name": "Meera Joshi", "gender": "F", "yearOfBirth": 1984}
NUMBER = "91220000004405"


def token_answer(world: World, body: dict[str, Any], count: int = 1) -> Any:
    reply = world.hip.call("generate-token", body)
    assert (reply.status_code, reply.text) == (202, "")
    return world.hip.wait("token/on-generate-token", count).body


def link_token(world: World, **more: Any) -> str:
    return str(token_answer(world, {**PROFILE, **more})["linkToken"])


def link_body(**more: Any) -> dict[str, Any]:
    return {"abhaAddress": ADDRESS, "patient": SmallHip.entries(["encounter-1"]), **more}


def test_link_token_links_and_the_answer_comes_by_callback(world: World) -> None:
    token = link_token(world, name="MEERA  joshi", abhaNumber=int(NUMBER))
    reply = world.hip.call("link", link_body(abhaNumber=NUMBER), X_LINK_TOKEN=token)
    assert (reply.status_code, reply.text) == (202, "")
    answer = world.hip.wait("link/on_carecontext").body
    assert answer["status"] == "Successfully Linked care context"
    assert [link.hi_type for link in world.client.links(ADDRESS)] == ["OPConsultation"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"yearOfBirth": 1985}, "ABDM-1036"),
        ({"gender": "M"}, "ABDM-1036"),
        ({"name": "Somebody Else"}, "ABDM-1036"),
        ({"abhaNumber": "91220000000000"}, "ABDM-1051"),
    ],
    ids=str,
)
def test_wrong_demographics_get_no_token(world: World, change: Any, code: str) -> None:
    answer = token_answer(world, {**PROFILE, **change})
    assert answer["error"]["code"] == code
    assert "linkToken" not in answer


def test_unknown_and_deactivated_addresses_are_refused_at_once(world: World) -> None:
    unknown = world.hip.call("generate-token", {**PROFILE, "abhaAddress": "no.body@sbx"})
    assert unknown.json()["error"] == {"code": "ABDM-9999", "message": "User not found"}
    world.client.add_patient("gone@sbx", None, "Gone", "F", 1980, MOBILE, deactivated=True)
    gone = world.hip.call("generate-token", {**PROFILE, "abhaAddress": "gone@sbx"})
    assert (gone.status_code, gone.json()["error"]["code"]) == (400, "ABDM-1407")


def test_second_token_request_is_refused_while_remembered(world: World) -> None:
    world.client.configure(link_token_memory=0.4)
    link_token(world)
    again = world.hip.call("generate-token", PROFILE)
    assert (again.status_code, again.json()["error"]["code"]) == (400, "ABDM-1092")
    world.client.wait_for(
        lambda: world.hip.call("generate-token", PROFILE).status_code == 202, "the memory to end"
    )


def test_too_many_refusals_block_the_address(world: World) -> None:
    world.client.configure(refusals_before_block=3, link_token_memory=0.0)
    wrong = {**PROFILE, "yearOfBirth": 1901}
    codes = [token_answer(world, wrong, n)["error"]["code"] for n in (1, 2, 3)]
    assert codes == ["ABDM-1036"] * 3
    assert token_answer(world, PROFILE, 4)["error"]["code"] == "ABDM-1027"


@pytest.mark.parametrize(
    ("change", "headers", "code"),
    [
        ({"abhaNumber": NUMBER}, {"X_LINK_TOKEN": "a.b.c"}, "ABDM-1026"),
        ({"abhaNumber": NUMBER}, {"X_HIP_ID": "IN0000000009"}, "ABDM-1063"),
        ({}, {}, "ABDM-1062"),
        ({"abhaNumber": "91220000000000"}, {}, "ABDM-1062"),
    ],
    ids=["forged token", "other HIP", "number left out", "other number"],
)
def test_link_call_against_its_token_is_refused(
    world: World, change: Any, headers: Any, code: str
) -> None:
    token = link_token(world, abhaNumber=NUMBER)
    reply = world.hip.call("link", link_body(**change), **{"X_LINK_TOKEN": token, **headers})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)
    assert world.client.links(ADDRESS) == []


def test_token_of_another_address_fails_on_the_callback(world: World) -> None:
    token = link_token(world)
    other = link_body(abhaAddress="nobody.known@sbx")
    assert world.hip.call("link", other, X_LINK_TOKEN=token).status_code == 202
    assert world.hip.wait("link/on_carecontext").body["error"]["code"] == "ABDM-1038"


def test_wrong_count_fails_on_the_callback_and_links_nothing(world: World) -> None:
    token = link_token(world)
    body = link_body()
    body["patient"][0]["count"] = 2
    assert world.hip.call("link", body, X_LINK_TOKEN=token).status_code == 202
    answer = world.hip.wait("link/on_carecontext").body
    assert answer["error"]["code"] == "ABDM-1037"
    assert answer["abhaAddress"] == ADDRESS
    assert world.client.links(ADDRESS) == []


@pytest.mark.parametrize(
    ("habit", "status", "code"),
    [("sync-9999", 400, "ABDM-9999"), ("sync-1090", 400, "ABDM-1090"), ("callback-1056", 202, "")],
)
def test_already_linked_is_said_in_each_known_way(
    world: World, habit: str, status: int, code: str
) -> None:
    world.client.configure(already_linked=habit)
    token = link_token(world)
    world.hip.call("link", link_body(), X_LINK_TOKEN=token)
    world.hip.wait("link/on_carecontext")
    reply = world.hip.call("link", link_body(), X_LINK_TOKEN=token)
    assert reply.status_code == status
    if code:
        assert reply.json()["error"]["code"] == code
    else:
        answer = world.hip.wait("link/on_carecontext", 2).body
        assert answer["error"]["code"] == "ABDM-1056"


def entry(**change: Any) -> dict[str, Any]:
    (one,) = SmallHip.entries(["encounter-1"])
    one |= change
    return {name: value for name, value in one.items() if value is not None}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (link_body(abhaNumber="91-2200-0000-4405"), None),
        (link_body(patient=[entry(hiType=["OPConsultation"])]), None),
        (link_body(patient=[entry(hiType=None)]), "ABDM-1006"),
        (link_body(patient=[entry(hiType="Consultation")]), "ABDM-1006"),
        (link_body(patient=[entry(count=21)]), "ABDM-1006"),
        (link_body(patient=[entry(careContexts=[])]), "ABDM-1057"),
        (
            link_body(
                patient=[
                    entry(
                        count=20,
                        careContexts=[
                            {"referenceNumber": f"v{n}", "display": "Visit"} for n in range(21)
                        ],
                    )
                ]
            ),
            "ABDM-1059",
        ),
        (link_body(patient=[]), "ABDM-1006"),
    ],
    ids=["dashed", "array", "no type", "bad type", "count", "none", "too many", "no entry"],
)
def test_malformed_link_body_is_refused_in_the_known_shape(
    world: World, body: Any, code: str | None
) -> None:
    reply = world.hip.call("link", body, X_LINK_TOKEN="a.b.c")
    assert reply.status_code == 400
    assert (reply.json()["error"]["code"] if code else reply.text) == (code or "")


def test_hi_types_is_accepted_as_another_name_of_hi_type(world: World) -> None:
    token = link_token(world)
    renamed = entry(hiType=None, hiTypes="OPConsultation")
    world.hip.call("link", link_body(patient=[renamed]), X_LINK_TOKEN=token)
    assert "error" not in world.hip.wait("link/on_carecontext").body


# -- context notify and SMS ------------------------------------------------------------------

NOTICE = {
    "notification": {
        "patient": {"id": ADDRESS},
        "careContext": {"patientReference": "MRN-2208", "careContextReference": "encounter-1"},
        "hiTypes": ["OPConsultation"],
        "date": "2026-08-14T10:05:00.000Z",
        "hip": {"id": HIP_ID},
    }
}


def test_context_notice_before_linking_is_errored_with_the_trailing_colon(world: World) -> None:
    assert world.hip.call("context-notify", NOTICE).status_code == 202
    answer = world.hip.wait("context/on-notify").body
    assert answer["acknowledgement"] == {"status": "ERRORED"}
    assert answer["error"]["code"] == "ABDM-1006: "
    assert world.client.context_notifications() == []


def test_context_notice_right_after_linking_loses_the_race(world: World) -> None:
    world.client.configure(context_notify_race=0.4)
    world.link()
    statuses = []
    for count in range(1, 500):
        world.hip.call("context-notify", NOTICE)
        answer = world.hip.wait("context/on-notify", count).body
        statuses.append(answer["acknowledgement"]["status"])
        if statuses[-1] == "SUCCESS":
            break
    assert statuses[0] == "ERRORED"
    assert statuses[-1] == "SUCCESS"


def test_context_notice_under_a_wrong_hip_id_is_never_answered(world: World) -> None:
    assert world.hip.call("context-notify", NOTICE, X_HIP_ID="IN0000000009").status_code == 202
    time.sleep(0.2)  # far longer than the delay of a callback here
    assert world.client.exchanges("OnCareContextNotify") == []


@pytest.mark.parametrize("answered", [True, False])
def test_sms_notice_reaches_the_phone_with_or_without_answer(world: World, answered: bool) -> None:
    world.client.configure(sms_notify_answered=answered)
    hip = {"id": HIP_ID, "name": "Sahyadri General Hospital"}
    body = {"notification": {"phoneNo": f"91{MOBILE}", "hip": hip}}
    assert world.hip.call("sms-notify", body).status_code == 202
    assert HIP_ID in world.client.sms()[0].text
    if answered:
        assert world.hip.wait("sms/on-notify").body["acknowledgement"]["status"] == "SUCCESS"
    else:
        time.sleep(0.2)
        assert world.client.exchanges("OnSmsNotify") == []


# -- user-initiated --------------------------------------------------------------------------


def discovery(world: World) -> tuple[Any, dict[str, Any]]:
    """A discovery that waits for its answer, and a right answer to it."""
    world.hip.silent = True
    with pytest.raises(TimeoutError, match="on-discover"):
        world.client.discover(ADDRESS, HIP_ID, timeout=0.05)
    callback = world.hip.wait("care-context/discover")
    return callback, {
        "transactionId": callback.body["transactionId"],
        "patient": SmallHip.entries(["encounter-1"]),
        "matchedBy": ["MOBILE"],
        "response": {"requestId": callback.request_id},
    }


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"transactionId": str(uuid.uuid4())}, "ABDM-1017"),
        ({"response": {"requestId": str(uuid.uuid4())}}, "ABDM-1052"),
        ({"matchedBy": ["MR"]}, "ABDM-1109"),
        ({"patient": [entry(count=2)]}, "ABDM-1059"),
        ({"error": {"code": "ABDM-1010", "message": "both"}}, "ABDM-1006"),
    ],
    ids=["transaction", "request id", "matchedBy", "count", "result and error"],
)
def test_wrong_on_discover_is_refused(world: World, change: Any, code: str) -> None:
    _, answer = discovery(world)
    reply = world.hip.call("on-discover", {**answer, **change})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)
    assert world.hip.call("on-discover", answer).status_code == 202


def test_second_on_discover_is_a_duplicate(world: World) -> None:
    _, answer = discovery(world)
    assert world.hip.call("on-discover", answer).status_code == 202
    again = world.hip.call("on-discover", answer)
    assert (again.status_code, again.json()["error"]["code"]) == (400, "ABDM-1106")


def test_late_on_discover_meets_a_lapsed_transaction(world: World) -> None:
    _, answer = discovery(world)
    world.client.configure(link_transaction_seconds=0.0)
    reply = world.hip.call("on-discover", answer)
    assert reply.json()["error"]["code"] == "ABDM-9999"
    assert "Transaction expired" in reply.json()["error"]["message"]


def test_offering_linked_contexts_is_noted(world: World) -> None:
    world.link()
    warnings = world.client.discover(ADDRESS, HIP_ID).warnings
    assert warnings == ["on-discover offers care contexts that are already linked"]


def started(world: World) -> tuple[Any, dict[str, Any]]:
    """A linking that waits for on-init, and a right answer to it."""
    found = world.client.discover(ADDRESS, HIP_ID)
    world.hip.silent = True
    with pytest.raises(TimeoutError, match="on-init"):
        world.client.link_init(found.transaction_id, ["encounter-1"], timeout=0.05)
    callback = world.hip.wait("care-context/init")
    meta = {
        "communicationMedium": "MOBILE",
        "communicationHint": "OTP",
        "communicationExpiry": "2099-01-01T00:00:00.000Z",
    }
    return callback, {
        "transactionId": found.transaction_id,
        "link": {
            "referenceNumber": str(uuid.uuid4()),
            "authenticationType": "DIRECT",
            "meta": meta,
        },
        "response": {"requestId": callback.request_id},
    }


def test_wrong_on_init_is_refused(world: World) -> None:
    _, answer = started(world)
    late = {**answer["link"]["meta"], "communicationExpiry": "2020-01-01T00:00:00.000Z"}
    for change, code in (
        ({"transactionId": str(uuid.uuid4())}, "ABDM-1017"),
        ({"response": {"requestId": str(uuid.uuid4())}}, "ABDM-2500"),
        ({"link": {**answer["link"], "meta": late}}, "ABDM-1110"),
    ):
        reply = world.hip.call("on-init", {**answer, **change})
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)
    assert world.hip.call("on-init", answer).status_code == 202
    assert world.hip.call("on-init", answer).json()["error"]["code"] == "ABDM-1107"


def test_on_confirm_must_list_exactly_what_was_selected(world: World) -> None:
    _, init = started(world)
    world.hip.call("on-init", init)
    with pytest.raises(TimeoutError, match="on-confirm"):
        world.client.link_confirm(init["link"]["referenceNumber"], "123456", timeout=0.05)
    response = {"response": {"requestId": world.hip.wait("context/confirm").request_id}}
    both = {"patient": SmallHip.entries(["encounter-1", "encounter-2"]), **response}
    assert world.hip.call("on-confirm", both).json()["error"]["code"] == "ABDM-1111"
    other = {**both, "response": {"requestId": str(uuid.uuid4())}}
    assert world.hip.call("on-confirm", other).json()["error"]["code"] == "ABDM-2500"
    assert world.client.links(ADDRESS) == []
    right = {"patient": SmallHip.entries(["encounter-1"]), **response}
    assert world.hip.call("on-confirm", right).status_code == 202
    assert world.hip.call("on-confirm", right).json()["error"]["code"] == "ABDM-1108"
    assert [link.care_context for link in world.client.links(ADDRESS)] == ["encounter-1"]


@pytest.mark.parametrize(("as_number", "token"), [(False, "042917"), (True, 42917)])
def test_otp_is_sent_as_text_or_number(world: World, as_number: bool, token: object) -> None:
    world.client.configure(otp_as_number=as_number)
    _, init = started(world)
    world.hip.call("on-init", init)
    with pytest.raises(TimeoutError):
        world.client.link_confirm(init["link"]["referenceNumber"], "042917", timeout=0.05)
    assert world.hip.wait("context/confirm").body["confirmation"]["token"] == token
