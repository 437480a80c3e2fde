"""Scan and share: the patient's app reads a facility's QR and shares the profile; the token comes.

Source: M0/M1 document, section 17. The profile goes to the bridge as ProfileShare, and its answer
ProfileOnShareRequest must come within `share_deadline` seconds.
"""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from conformance import schemas
from conformance.simulator import abha_people
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import refusal
from conformance.simulator.facility_state import Share
from conformance.simulator.lookups import NotFound, PatientMistake, patient_named
from conformance.simulator.state import Patient, new_id
from conformance.simulator.times import now

APP_HOSTS = ("phrsbx.abdm.gov.in", "phr.abdm.gov.in")
PATH = "/share-profile"
INTENTS = ("PROFILE_SHARE", "RECORD_SHARE", "PAYMENT_SHARE")
NOT_OURS = "This is no QR code of a hospital's counter."


def read_qr(simulator: Simulator, text: str) -> tuple[str, str]:
    """(service id of the hospital, counter) in a facility's QR; PatientMistake if it is none.

    A URL of the patient's app, with either spelling of its parameters, or the older JSON.
    """
    hip_id, counter = _in_json(text) if text.lstrip().startswith("{") else _in_url(simulator, text)
    if not schemas.definition("ServiceId").is_valid(hip_id):
        raise PatientMistake(f"{NOT_OURS} It names no facility.")
    if not schemas.definition("CounterId", "v3-m1").is_valid(counter):
        raise PatientMistake(f"{NOT_OURS} A counter has 1 to 20 letters or digits.")
    return hip_id, counter


def _in_json(text: str) -> tuple[str, str]:
    try:
        read = json.loads(text)
    except ValueError as error:
        raise PatientMistake(NOT_OURS) from error
    return str(read.get("hipId", "")), str(read.get("code", ""))


def _in_url(simulator: Simulator, text: str) -> tuple[str, str]:
    parts = urlsplit(text.strip())
    own = urlsplit(simulator.config.public_url)
    official = parts.scheme == "https" and parts.netloc in APP_HOSTS
    if not (official or parts.netloc == own.netloc) or parts.path != PATH:
        raise PatientMistake(f"{NOT_OURS} It must be a link of {' or '.join(APP_HOSTS)}.")
    query = parse_qs(parts.query)

    def named(*names: str) -> str:
        found = [value for name in names for value in query.get(name, [])]
        return found[0] if len(found) == 1 else ""

    return named("hip-id", "hipid"), named("counter-id", "counterid")


def hospital_name(simulator: Simulator, hip_id: str) -> str:
    """The name of the hospital to share with; PatientMistake if none of that id takes patients."""
    with simulator.state.changed:
        service = simulator.state.services.get(hip_id)
    if service is None or not service.active or "HIP" not in service.types:
        raise PatientMistake("The hospital of this QR code cannot be reached through ABDM.")
    return service.name


# -- sharing ---------------------------------------------------------------------------------


def scan(simulator: Simulator, abha_address: str, text: str, intent: str = "PROFILE_SHARE") -> str:
    """Share a person's profile with the hospital of a QR; the share's id."""
    patient = patient_named(simulator, abha_address)
    hip_id, counter = read_qr(simulator, text)
    hospital_name(simulator, hip_id)
    if patient.deactivated:
        raise PatientMistake("This ABHA is deactivated; it cannot be shared.")
    if intent not in INTENTS:
        raise PatientMistake(f"The intent is one of {', '.join(INTENTS)}.")
    seen = simulator.config.share_spelling == "seen"
    body = {
        "intent": intent,
        "metaData": {
            "hipId": hip_id,
            "context": counter,
            "hprId": None,
            "latitude": None if seen else 19.07,
            "longitude": "72.88" if seen else 72.88,
        },
        "profile": {"patient": profile(simulator, patient)},
    }
    share_id = simulator.expect("ProfileShare", new_id(), hip_id)
    with simulator.state.changed:
        shared = Share(share_id, abha_address, hip_id, counter, now(), body)
        simulator.state.shares[share_id] = shared
    simulator.callbacks.send("ProfileShare", hip_id, body, share_id)
    deadline = timedelta(seconds=simulator.config.share_deadline)
    simulator.after(deadline, lambda: _give_up(simulator, shared))
    return share_id


def profile(simulator: Simulator, patient: Patient) -> dict[str, Any]:
    """What a share tells about a person, as full as ABDM knows it."""
    digits = patient.abha_number
    dashed = f"{digits[:2]}-{digits[2:6]}-{digits[6:10]}-{digits[10:]}" if digits else None
    told: dict[str, Any] = {
        "abhaNumber": dashed,
        "abhaAddress": patient.abha_address,
        "name": patient.name,
        "gender": patient.gender,
        "dayOfBirth": None,
        "monthOfBirth": None,
        "yearOfBirth": str(patient.year_of_birth),
        "address": None,
        "phoneNumber": patient.mobile,
    }
    with simulator.state.changed:
        account = abha_people.account_at(simulator, patient.abha_address)
    if account is None:
        return told
    person = account.person
    pincode = "pinCode" if simulator.config.share_spelling == "seen" else "pincode"
    return {
        **told,
        "dayOfBirth": str(person.born.day),
        "monthOfBirth": str(person.born.month),
        "address": {
            "line": person.address,
            "district": person.district,
            "state": person.state,
            pincode: person.pincode,
        },
    }


def replay(simulator: Simulator, share_id: str) -> None:
    """Deliver the callback of a share again, under its old REQUEST-ID, as ABDM does."""
    shared = share_named(simulator, share_id)
    simulator.callbacks.send("ProfileShare", shared.hip_id, shared.body, shared.id)


def share_named(simulator: Simulator, share_id: str) -> Share:
    """The share of that id, or NotFound."""
    with simulator.state.changed:
        shared = simulator.state.shares.get(share_id)
    if shared is None:
        raise NotFound(f"Nothing was shared under the id {share_id}.")
    return shared


def _give_up(simulator: Simulator, shared: Share) -> None:
    with simulator.state.changed:
        if shared.status == "SENT":
            shared.status = "UNANSWERED"
            simulator.state.changed.notify_all()


# -- the answer ------------------------------------------------------------------------------


def on_share(simulator: Simulator, call: Call) -> Reply:
    """ProfileOnShareRequest: the token number, or why there is none."""
    unmatched = refusal(
        "ABDM-2500", "Invalid request id", why="response.requestId names no share of this bridge"
    )
    body = call.body
    acknowledgement = body.get("acknowledgement") or {}
    with simulator.state.changed:
        expected = simulator.peek(call, "ProfileShare", unmatched)
        shared = simulator.state.shares[body["response"]["requestId"]]
        ticket = acknowledgement.get("profile") or {}
        if acknowledgement and acknowledgement["abhaAddress"] != shared.abha_address:
            raise refusal("ABDM-1006", why="the address of another patient")
        if ticket and ticket["context"] != shared.counter:
            raise refusal("ABDM-1006", why="the context of another counter")
        if acknowledgement.get("status") == "SUCCESS" and not ticket:
            raise refusal("ABDM-1006", why="a success without a token number")
        if expected.answered:
            raise refusal("ABDM-1087", "Duplicate patient share request")
        if shared.status == "UNANSWERED":
            raise refusal(
                "ABDM-1007", "Request timed out", status=408, why="on-share came too late"
            )
        expected.answered = True
        shared.answered_at = now()
        shared.error = body.get("error")
        shared.status = "ACCEPTED" if acknowledgement.get("status") == "SUCCESS" else "FAILED"
        if shared.status == "ACCEPTED":
            shared.token_number = ticket["tokenNumber"]
            shared.expires_at = shared.answered_at + timedelta(seconds=float(ticket["expiry"]))
        simulator.state.changed.notify_all()
    return Reply()
