"""What only v0.5 has: finding a patient, proof of a patient's wish to link, news of an account.

A HIP learns the modes, starts one and confirms it, and gets the access token that links care
contexts. OTPs go to the SMS sink; in mode DIRECT the patient answers in the app. Source: v1
document, section 8; NDHM's files of gateway, HIP and HIU.
"""

import re
import secrets
from datetime import timedelta
from typing import Any

from conformance.simulator import abha_people
from conformance.simulator.auth_state import UserAuth
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import Refusal, refusal
from conformance.simulator.lookups import NotFound, PatientMistake, patient_named
from conformance.simulator.state import LinkToken, Patient, new_id
from conformance.simulator.times import now, timestamp

OTP_MODES = ("MOBILE_OTP", "AADHAAR_OTP")
STATUSES = ("DEACTIVATED", "REACTIVATED", "DELETED")
_HEADERS = {"HIP": "X-HIP-ID", "HIU": "X-HIU-ID"}
_GENDERS = ("M", "F", "O", "U")


# -- reading ---------------------------------------------------------------------------------


def read_query(
    simulator: Simulator, client_id: str, body: dict[str, Any]
) -> tuple[dict[str, str], dict[str, Any]]:
    """fetch-modes and init: the requester must be a service of the caller in that role."""
    return _requester(simulator, client_id, body["query"]["requester"]), body["query"]


def read_find(
    simulator: Simulator, client_id: str, body: dict[str, Any]
) -> tuple[dict[str, str], dict[str, Any]]:
    """patients/find: as `read_query`, the id being the patient's."""
    query = body["query"]
    headers = _requester(simulator, client_id, query["requester"])
    return headers, {"id": query["patient"]["id"], "requester": query["requester"]}


def read_confirm(
    simulator: Simulator, _client_id: str, body: dict[str, Any]
) -> tuple[dict[str, str], dict[str, Any]]:
    """confirm: the facility is the one that started the transaction."""
    with simulator.state.changed:
        auth = simulator.state.user_auths.get(body["transactionId"])
    return ({_HEADERS[auth.requester]: auth.service_id} if auth else {}), body


def _requester(simulator: Simulator, client_id: str, requester: dict[str, str]) -> dict[str, str]:
    with simulator.state.changed:
        service = simulator.state.services.get(requester["id"])
    own = service is not None and service.client_id == client_id and service.active
    if service is None or not own or requester["type"] not in service.types:
        raise Refusal("1417", "Invalid requester", why="the requester is no such service of ours")
    return {_HEADERS[requester["type"]]: service.id}


def _patient(simulator: Simulator, named: str) -> Patient:
    digits = re.sub(r"\D", "", named)
    with simulator.state.changed:
        patient = simulator.state.patients.get(named) or next(
            (p for p in simulator.state.patients.values() if digits and p.abha_number == digits),
            None,
        )
    if patient is None or patient.deactivated:
        raise Refusal("1404", "Patient not found")
    return patient


def _service(call: Call) -> str:
    return call.headers.get("X-HIP-ID") or call.headers["X-HIU-ID"]


def _answer(simulator: Simulator, call: Call, message: str, **members: Any) -> Reply:
    body = {**members, "response": {"requestId": call.request_id}}
    simulator.callbacks.send(message, _service(call), body)
    return Reply()


# -- calls -----------------------------------------------------------------------------------


def find(simulator: Simulator, call: Call) -> Reply:
    """FindPatientRequest -> OnFindPatient."""
    patient = _patient(simulator, call.body["id"])
    found = {"id": patient.abha_address, "name": patient.name}
    return _answer(simulator, call, "OnFindPatient", patient=found)


def fetch_modes(simulator: Simulator, call: Call) -> Reply:
    """GenerateLinkTokenRequest -> LinkTokenModes."""
    modes = _modes(simulator, _patient(simulator, call.body["id"]))
    auth = {"purpose": call.body["purpose"], "modes": modes}
    return _answer(simulator, call, "LinkTokenModes", auth=auth)


def _modes(simulator: Simulator, patient: Patient) -> list[str]:
    offered = [mode.strip() for mode in simulator.config.auth_modes.split(",") if mode.strip()]
    return [mode for mode in offered if mode != "AADHAAR_OTP" or patient.abha_number]


def init(simulator: Simulator, call: Call) -> Reply:
    """LinkTokenInit -> LinkTokenChallenge; an OTP goes out where the mode has one."""
    query = call.body
    patient = _patient(simulator, query["id"])
    modes = _modes(simulator, patient)
    mode = query.get("authMode") or next(iter(modes), "")
    if mode not in modes:
        raise refusal("ABDM-1031", why="this mode was not offered")
    otp = f"{secrets.randbelow(900_000) + 100_000}" if mode in OTP_MODES else ""
    auth = UserAuth(
        new_id(),
        patient.abha_address,
        _service(call),
        query["requester"]["type"],
        query["purpose"],
        mode,
        otp,
        now() + timedelta(seconds=simulator.config.auth_seconds),
    )
    with simulator.state.changed:
        simulator.state.user_auths[auth.id] = auth
        if otp:
            text = f"{otp} is your code for {simulator.state.services[auth.service_id].name}."
            simulator.state.sms.append(
                {"to": patient.mobile, "text": text, "purpose": "user-auth", "at": now()}
            )
        simulator.state.changed.notify_all()
    meta = {"expiry": timestamp(auth.expires_at)}
    if otp:
        meta["hint"] = f"XXXXXX{patient.mobile[-4:]}"
    told = {"transactionId": auth.id, "mode": mode, "meta": meta}
    return _answer(simulator, call, "LinkTokenChallenge", auth=told)


def confirm(simulator: Simulator, call: Call) -> Reply:
    """LinkTokenConfirm -> OnGenerateLinkToken: the access token, who the patient is, or both."""
    credential = call.body["credential"]
    with simulator.state.changed:
        auth = simulator.state.user_auths.get(call.body["transactionId"])
        service = simulator.state.services.get(auth.service_id) if auth else None
        if auth is None or service is None or service.client_id != call.client_id:
            raise Refusal("1427", "Invalid transaction id")
        if auth.status != "OPEN" or auth.mode == "DIRECT":
            raise Refusal("1427", "Invalid transaction id", why=f"{auth.mode}, {auth.status}")
        if now() > auth.expires_at:
            raise Refusal("1406", "OTP expired")
        if auth.tries >= simulator.config.auth_tries:
            raise Refusal("1408", "Attempts exceeded")
        auth.tries += 1
        _prove(simulator, auth, credential)
        auth.status = "GRANTED"
        simulator.state.changed.notify_all()
    return _answer(simulator, call, "OnGenerateLinkToken", auth=_granted(simulator, auth))


def _prove(simulator: Simulator, auth: UserAuth, credential: dict[str, Any]) -> None:
    if auth.mode in OTP_MODES:
        if credential.get("authCode") != auth.otp:
            raise Refusal("1405", "Invalid OTP")
        return
    stated = credential.get("demographic")
    if stated is None:
        raise refusal("ABDM-1031", why="this mode asks for demographics")
    patient = simulator.state.patients[auth.abha_address]
    account = abha_people.account_at(simulator, auth.abha_address)
    born = account.person.born.isoformat() if account else str(patient.year_of_birth)
    mobile = (stated.get("identifier") or {}).get("value", patient.mobile)
    same = (
        stated["name"].casefold().split() == patient.name.casefold().split(),
        stated["gender"] == patient.gender,
        stated["dateOfBirth"].startswith(born),
        re.sub(r"\D", "", mobile)[-10:] == patient.mobile,
    )
    if not all(same):
        raise refusal("ABDM-1036")


def _granted(simulator: Simulator, auth: UserAuth) -> dict[str, Any]:
    config = simulator.config
    patient = patient_named(simulator, auth.abha_address)
    ends = now() + timedelta(seconds=config.link_token_seconds)
    told: dict[str, Any] = {
        "validity": {
            "purpose": auth.purpose,
            "requester": {"type": auth.requester, "id": auth.service_id},
            "expiry": timestamp(ends),
            "limit": config.link_token_uses,
        }
    }
    if auth.purpose != "KYC":
        issued = LinkToken(
            new_id(),
            auth.service_id,
            auth.abha_address,
            patient.abha_number,
            now(),
            config.link_token_uses,
        )
        with simulator.state.changed:
            simulator.state.link_tokens[issued.id] = issued
        claims = {"hipId": auth.service_id, "abhaAddress": auth.abha_address}
        told["accessToken"] = simulator.realm.link_token(
            issued.id, claims, config.link_token_seconds
        )
    if auth.purpose != "LINK":
        told["patient"] = _known(patient)
    return told


def _known(patient: Patient) -> dict[str, Any]:
    identifiers = [{"type": "MOBILE", "value": patient.mobile}]
    if patient.abha_number:
        identifiers.append({"type": "NDHM_HEALTH_NUMBER", "value": patient.abha_number})
    return {
        "id": patient.abha_address,
        "name": patient.name,
        "gender": patient.gender if patient.gender in _GENDERS else "O",
        "yearOfBirth": patient.year_of_birth,
        "identifiers": identifiers,
    }


def on_notify(simulator: Simulator, call: Call) -> Reply:
    """LinkTokenOnNotifyRequest: the facility knows how the patient decided in the app."""
    unmatched = refusal("ABDM-1015", why="resp.requestId is of no decision in the app")
    repeated = refusal("ABDM-1041", why="this decision was acknowledged before")
    expected = simulator.answered(call, "LinkTokenNotify", unmatched, repeated)
    with simulator.state.changed:
        simulator.state.user_auths[expected.key].acknowledged = True
        simulator.state.changed.notify_all()
    return Reply()


def on_patient_status(simulator: Simulator, call: Call) -> Reply:
    """PatientStatusOnNotifyRequest; what it answers need not be named."""
    if "response" in call.body:
        unmatched = refusal("ABDM-1015", why="resp.requestId is of no news of an account")
        repeated = refusal("ABDM-1041", why="this news was acknowledged before")
        simulator.answered(call, "PatientStatusNotify", unmatched, repeated)
    return Reply()


# -- the patient's side ----------------------------------------------------------------------


def open_auths(simulator: Simulator, abha_address: str) -> list[dict[str, Any]]:
    """What facilities ask a patient to allow in the app (DIRECT), oldest first."""
    patient_named(simulator, abha_address)
    with simulator.state.changed:
        return [
            {"id": auth.id, "service_id": auth.service_id, "purpose": auth.purpose}
            for auth in simulator.state.user_auths.values()
            if auth.abha_address == abha_address
            and (auth.mode, auth.status) == ("DIRECT", "OPEN")
            and auth.expires_at > now()
        ]


def decide(simulator: Simulator, auth_id: str, granted: bool) -> None:
    """The patient allows or denies in the app; the facility hears of it."""
    with simulator.state.changed:
        auth = simulator.state.user_auths.get(auth_id)
        if auth is None:
            raise NotFound(f"Nobody asked under the id {auth_id}.")
        if auth.mode != "DIRECT" or auth.status != "OPEN" or auth.expires_at <= now():
            raise PatientMistake("This is not waiting for an answer in the app.")
        auth.status = "GRANTED" if granted else "DENIED"
    told: dict[str, Any] = {"transactionId": auth.id, "status": auth.status}
    if granted:
        told |= _granted(simulator, auth)
    request_id = simulator.expect("LinkTokenNotify", auth.id, auth.service_id)
    simulator.callbacks.send(
        "LinkTokenNotify", auth.service_id, {"auth": told}, request_id, generation="v0.5"
    )


def change_status(simulator: Simulator, abha_address: str, status: str) -> None:
    """An account ends or comes back; facilities of v0.5 with links of the patient hear of it."""
    if status not in STATUSES:
        raise PatientMistake(f"The status is one of {', '.join(STATUSES)}.")
    patient = patient_named(simulator, abha_address)
    with simulator.state.changed:
        patient.deactivated = status != "REACTIVATED"
        linked = {
            k.hip_id for k in simulator.state.links.values() if k.abha_address == abha_address
        }
    body = {"notification": {"status": status, "patient": {"id": abha_address}}}
    for hip_id in sorted(linked):
        if simulator.generation_for(hip_id, body) == "v0.5":
            request_id = simulator.expect("PatientStatusNotify", abha_address, hip_id)
            simulator.callbacks.send("PatientStatusNotify", hip_id, body, request_id)
