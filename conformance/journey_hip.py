"""The first half of the guided journey: records leave the hospital, consented and encrypted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import requests

from conformance import hospital
from conformance.hospital import DemoPatient
from conformance.journey import WALKS_IN, Journey, Step, StepFailed, need
from conformance.simulator.results import ErrorObject, Transfer
from conformance.stack import CLIENT_ID
from conformance.validate import validate

REMOTE_HIU = "IN2910009001"
#: A lost hook costs a sweep of the record watch; a busy machine takes longer.
WATCH_WAIT_S = 120.0
ABDM_GENDER = {"male": "M", "female": "F", "other": "O", "unknown": "U"}


@dataclass(frozen=True)
class _Abha:
    """What ABDM knows of a person where the hospital's record lacks it."""

    year: int = 1980
    mobile: str = "9000000999"


UNKNOWN_TO_THE_HOSPITAL = _Abha()


def refusal(seen: Transfer, sentence: str) -> ErrorObject:
    """The error with which a data request was refused; StepFailed with `sentence` if it was not."""
    if seen.error is None:
        raise StepFailed(sentence)
    return seen.error


def load_hospital(journey: Journey) -> str:
    """Load the demo hospital and make its people and services known to the simulated ABDM."""
    loaded = hospital.load(
        journey.stack.fhir_url,
        journey.stack.fhir_token,
        progress=lambda done, total, name: journey.progress(f"{done}/{total} {name}"),
    )
    register(journey)
    return (
        f"{loaded.patients} patients, {loaded.visits} visits, {loaded.resources} resources in "
        f"the FHIR server"
    )


def register(journey: Journey) -> None:
    """Make the hospital's facilities and its people with an ABHA known to the simulated ABDM."""
    simulator = journey.simulator
    for facility in hospital.facilities():
        simulator.add_service(facility.hfr_id, facility.name, ["HIP", "HIU"], CLIENT_ID)
    simulator.add_service(REMOTE_HIU, "Nilgiri Clinic", ["HIU"])
    for address, person in journey.patients.items():
        simulator.add_patient(
            address,
            person.abha_number,
            person.name,
            ABDM_GENDER[person.gender],
            person.year_of_birth or UNKNOWN_TO_THE_HOSPITAL.year,
            person.mobile or UNKNOWN_TO_THE_HOSPITAL.mobile,
        )


def check_ready(journey: Journey) -> str:
    """Ask the adapter whether it sees everything it needs."""
    answer = requests.get(f"{journey.stack.adapter_url}/readyz", timeout=30)
    body = answer.json()
    need(answer.status_code == 200, f"/readyz says: {body}")
    well = [name for name, check in body["checks"].items() if check["ok"]]
    open_ = [check["detail"] for check in body["checks"].values() if not check["ok"]]
    return " ".join([f"{', '.join(well)}: all well.", *open_])


def discover(journey: Journey) -> str:
    """The patient looks for her records at the hospital."""
    found = journey.simulator.discover(journey.asha.abha_address or "", journey.hip_id)
    need(found.error is None, f"Discovery was answered with {found.error}")
    contexts = {c.reference for entry in found.patients for c in entry.care_contexts}
    need(contexts, "Discovery found no visits")
    journey.linked = sorted(contexts)
    challenge = journey.simulator.link_init(found.transaction_id, journey.linked)
    need(challenge.error is None, f"Linking was answered with {challenge.error}")
    otp = journey.simulator.latest_otp(journey.asha.mobile or "")
    outcome = journey.simulator.link_confirm(challenge.reference, otp)
    need(outcome.error is None, f"The OTP was answered with {outcome.error}")
    return (
        f"{len(contexts)} visits found (matched by {', '.join(found.matched_by)}), "
        f"OTP sent to {challenge.hint}, all linked"
    )


def link_by_hospital(journey: Journey) -> str:
    """The hospital itself links a visit of another patient."""
    person = _others(journey)[0]
    visits = journey.fhir(
        "Encounter", patient=person.patient_id, status="finished", _count="1", _sort="-date"
    )
    need(visits.get("entry"), f"Patient {person.patient_id} has no finished visit")
    encounter = visits["entry"][0]["resource"]["id"]
    journey.hims("POST", "links", {"encounter": encounter})
    reference = f"Encounter-{encounter}"
    journey.simulator.wait_for(
        lambda: _abdm_lists(journey, person, reference), f"the link of {reference}"
    )
    return f"visit {reference} linked with a link token, without the patient doing anything"


def record_watch(journey: Journey) -> str:
    """A visit that the hospital's own system writes to the FHIR server is linked by itself."""
    person = _others(journey)[1]
    encounter, transaction = hospital.new_visit(person, datetime.now(UTC))
    written = time.monotonic()
    journey.write(transaction)
    reference = f"Encounter-{encounter}"

    def linked() -> bool:
        found = journey.hims("GET", f"links/status?patient={person.patient_id}")
        states = {each["reference"]: each["state"] for each in found["care_contexts"]}
        return states.get(reference) == "linked" and _abdm_lists(journey, person, reference)

    journey.simulator.wait_for(linked, f"the link of the new visit {reference}", WATCH_WAIT_S)
    seconds = time.monotonic() - written
    return f"visit {reference} written, found and linked after {seconds:.0f} s; nobody asked for it"


def _others(journey: Journey) -> list[DemoPatient]:
    """Those whom ABDM can compare with their ABHA, save the one who walks in."""
    return [
        p
        for p in journey.patients.values()
        if p.abha_address != WALKS_IN and p.year_of_birth and p.abha_number
    ]


def _abdm_lists(journey: Journey, person: DemoPatient, reference: str) -> bool:
    links = journey.simulator.links(person.abha_address or "")
    return any(entry.care_context == reference for entry in links)


def grant(journey: Journey) -> str:
    """Another hospital asks; the patient grants a narrower range."""
    now = datetime.now(UTC)
    request_id = journey.simulator.raise_consent_request(
        REMOTE_HIU,
        WALKS_IN,
        ["OPConsultation", "Prescription", "DiagnosticReport"],
        now - timedelta(days=3650),
        now - timedelta(minutes=1),
        now + timedelta(days=1),
        hip_id=journey.hip_id,
    )
    artefacts = journey.simulator.grant(
        request_id,
        hi_types=["OPConsultation", "Prescription"],
        date_from=now - timedelta(days=3 * 365),
    )
    need(len(artefacts) == 1, f"{len(artefacts)} artefacts came out of one hospital's grant")
    journey.artefact_id = artefacts[0]
    journey.simulator.wait_acknowledged(journey.artefact_id, "GRANTED")
    consent = journey.fhir(f"Consent/hip-{journey.artefact_id.lower()}")
    need(consent["status"] == "active", f"The stored Consent is {consent['status']}")
    return "artefact stored as an active FHIR Consent and acknowledged"


def transfer(journey: Journey) -> str:
    """The other hospital fetches, decrypts and reads."""
    transaction = journey.simulator.request_data(journey.artefact_id, wait=False)
    seen = journey.simulator.wait_transfer(transaction, timeout=120)
    need(seen.hip_notification is not None, "The hospital never reported the transfer")
    need(seen.documents, f"Nothing arrived: {seen.errors}")
    need(all(d.checksum_ok for d in seen.documents), "A checksum did not match")
    checked = errors = 0
    for document in seen.documents:
        journey.progress(f"validating document {checked + 1} of {len(seen.documents)}")
        result = validate(journey.stack.fhir_url, journey.stack.fhir_token, document.content)
        if result.checked:
            checked += 1
            errors += len(result.errors)
    need(errors == 0, f"The official profiles found {errors} errors")
    journey.documents = len(seen.documents)
    judged = (
        f"{checked} validated against ndhm.in with 0 errors"
        if checked
        else "not checked against ndhm.in: the guide is not loaded"
    )
    return f"{len(seen.documents)} documents on {len(seen.pages)} pages decrypted; {judged}"


def refuse_wider(journey: Journey) -> str:
    """A request for more than was granted gets nothing."""
    transaction = journey.simulator.request_data(
        journey.artefact_id, date_from=datetime.now(UTC) - timedelta(days=20 * 365), wait=False
    )
    seen = journey.simulator.wait_on_request(transaction)
    error = refusal(seen, "A date range wider than consented was acknowledged")
    need(not seen.pages, "Pages left although the request was refused")
    return f"refused with {error.code} ({error.message}); nothing was sent"


def revoke(journey: Journey) -> str:
    """The patient takes the consent back; the next request gets nothing."""
    journey.simulator.revoke(journey.artefact_id)
    journey.simulator.wait_acknowledged(journey.artefact_id, "REVOKED")
    transaction = journey.simulator.request_data(journey.artefact_id, wait=False)
    seen = journey.simulator.wait_on_request(transaction)
    error = refusal(seen, "A revoked consent was served")
    consent = journey.fhir(f"Consent/hip-{journey.artefact_id.lower()}")
    need(consent["status"] == "inactive", f"The stored Consent is {consent['status']}")
    need("sourceAttachment" not in consent, "The revoked artefact's content was kept")
    return f"Consent inactive, its content dropped; the next request got {error.code}"


STEPS = (
    Step(
        "Load the demo hospital",
        "A hospital's own records, as its HIMS would write them: FHIR R4, no ABDM profiles.",
        load_hospital,
    ),
    Step("Check that all is ready", "What /readyz of the adapter sees.", check_ready),
    Step(
        "The patient finds and links her visits",
        "Her app asks the hospital (discover), an OTP proves that it is she (init, confirm).",
        discover,
    ),
    Step(
        "The hospital links a visit",
        "HIP-initiated linking: link token, care contexts, notification.",
        link_by_hospital,
    ),
    Step(
        "A new visit is linked by itself",
        "The hospital's own system writes it to the FHIR server; the record watch does the rest.",
        record_watch,
    ),
    Step(
        "Another hospital asks, the patient agrees to less",
        "The consent artefact arrives at our hospital and is kept as a FHIR Consent.",
        grant,
    ),
    Step(
        "The records leave, encrypted",
        "Visits become ABDM documents, one encrypted page each, pushed and read by the other side.",
        transfer,
    ),
    Step(
        "Asking for more than was granted",
        "A wider date range is refused, never trimmed.",
        refuse_wider,
    ),
    Step("The patient revokes", "From here on nothing leaves.", revoke),
)
