"""The second half of the guided journey: records of other hospitals come, stay apart, and go.

What the hospital's own system sees is asked through the adapter's API, what an analyst sees through
the FHIR server.
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from conformance import other_hospitals
from conformance.journey import WALKS_IN, Journey, Step, need
from conformance.other_hospitals import OtherDocument, OtherHospital
from conformance.simulator.results import Transfer

SOURCE = "urn:abdm:hip:"
CONSENT = "urn:abdm:consent-artefact"
KINDS = ("Observation", "Composition", "Patient", "MedicationRequest", "DiagnosticReport", "Binary")
RECEIVED = "urn:abdm-adapter:record|received"
TSH = "http://loinc.org|3016-3"
ASKED_TYPES = [
    "OPConsultation",
    "Prescription",
    "DiagnosticReport",
    "DischargeSummary",
    "ImmunizationRecord",
    "HealthDocumentRecord",
    "WellnessRecord",
]
ALLOWED_TYPES = ["OPConsultation", "Prescription", "DiagnosticReport"]
ALLOWED_FROM = datetime(2024, 1, 1, tzinfo=UTC)
PATIENCE_S = 120.0
GONE_WITHIN_S = 20.0
"""On a busy machine; on an idle one it is under five, which a test of the adapter measures."""
SHORT_CONSENT = timedelta(seconds=50)
"""Long enough for everything to arrive and be looked at on a slow machine."""

NILGIRI, KONKAN = other_hospitals.hospitals()


def open_others(journey: Journey) -> str:
    """Two other hospitals with records of the same patient."""
    other_hospitals.open_in(journey.simulator)
    counts = [f"{hospital.name} holds {len(hospital.documents)}" for hospital in (NILGIRI, KONKAN)]
    return f"{', '.join(counts)} documents of her, linked in her app"


def ask(journey: Journey) -> str:
    """Our hospital asks for everything since 2015, through the adapter's API."""
    asked = raise_request(journey, ASKED_TYPES)
    seen = journey.simulator.wait_consent_request(WALKS_IN, journey.hip_id, PATIENCE_S)
    journey.request_id = seen.id
    who = (seen.requester or {}).get("name", "")
    return f"request {asked['id'][:8]} is in her app: {who} of our hospital asks for all since 2015"


def raise_request(journey: Journey, hi_types: list[str], hip_id: str | None = None) -> Any:
    """POST a consent request as the hospital's own system would."""
    moment = datetime.now(UTC)
    body = {
        "patient_abha": WALKS_IN,
        "purpose": "CAREMGT",
        "hi_types": hi_types,
        "hiu": journey.hip_id,
        "requester": "Dr. Kavita Rao",
        "from_time": "2015-01-01T00:00:00Z",
        "to_time": (moment - timedelta(minutes=1)).isoformat(),
        "expiry": (moment + timedelta(days=1)).isoformat(),
    }
    return journey.hims("POST", "consent-requests", {**body, **({"hip": hip_id} if hip_id else {})})


def agree(journey: Journey) -> str:
    """The patient allows two hospitals, each something else."""
    ends = datetime.now(UTC) + SHORT_CONSENT
    artefacts = journey.simulator.grant(
        journey.request_id,
        hip_ids=[],
        per_hip={
            NILGIRI.id: {"hi_types": ALLOWED_TYPES, "date_from": ALLOWED_FROM},
            KONKAN.id: {"erase_at": ends},
        },
    )
    need(len(artefacts) == 2, f"{len(artefacts)} artefacts came out of a grant for two hospitals")
    notice = journey.simulator.wait_hiu_acknowledged(
        journey.request_id, "GRANTED", timeout=PATIENCE_S
    )
    need(notice.acknowledgement == "OK", f"The notice was answered with {notice.error}")
    journey.received = {journey.simulator.artefact(one).hip_id: one for one in artefacts}
    journey.ends_at = ends
    return (
        f"{NILGIRI.name}: three kinds of records, since 2024; {KONKAN.name}: everything, but only "
        f"for {SHORT_CONSENT.seconds} seconds"
    )


def arrive(journey: Journey) -> str:
    """Each hospital pushes what was allowed; the adapter reports what came of it."""
    allowed = {
        NILGIRI.id: [d for d in NILGIRI.documents if _may_leave(d)],
        KONKAN.id: list(KONKAN.documents),
    }
    resources = 0
    for hip_id, artefact_id in journey.received.items():
        seen = journey.simulator.wait_reported(artefact_id, PATIENCE_S)
        report = reported(seen)
        need(report["sessionStatus"] == "RECEIVED", f"The adapter reported {report}")
        sent_visits = {context for page in seen.pushed for context in page.care_contexts}
        good = {
            line["careContextReference"]
            for line in report["statusResponses"]
            if line["hiStatus"] == "OK"
        }
        need(good == sent_visits, f"{sent_visits} were sent and {good} reported as received")
        documents = received_documents(journey, artefact_id)
        kept = sorted(verbatim_digest(journey, document) for document in documents)
        sent = sorted(digest(document) for document in allowed[hip_id])
        need(kept == sent, f"{len(sent)} documents were sent and {len(kept)} are kept verbatim")
        resources += sum(document["resources"] for document in documents)
    total = sum(len(documents) for documents in allowed.values())
    return (
        f"{total} documents kept byte for byte and as {resources} resources, each with its source; "
        "the vaccinations and the visit of 2019 stayed away, since she did not allow them"
    )


def _may_leave(document: OtherDocument) -> bool:
    return document.hi_type in ALLOWED_TYPES and document.at >= ALLOWED_FROM


def digest(document: OtherDocument) -> str:
    """The SHA-256 of a document as it was sent."""
    return hashlib.sha256(document.content).hexdigest()


def reported(seen: Transfer) -> dict[str, Any]:
    """What the adapter told ABDM about a transfer."""
    report: dict[str, Any] = seen.hiu_notifications[seen.transaction_id]["statusNotification"]
    return report


def received_documents(journey: Journey, artefact_id: str) -> list[dict[str, Any]]:
    """What the adapter lists as received under a consent, or says of what it no longer shows."""
    found: list[dict[str, Any]] = journey.hims("GET", f"received?artefact={artefact_id}")[
        "received"
    ]
    return found


def verbatim_digest(journey: Journey, document: dict[str, Any]) -> str:
    """The SHA-256 of the bytes that the FHIR server keeps of a document."""
    return hashlib.sha256(journey.binary(document["id"])).hexdigest()


def side_by_side(journey: Journey) -> str:
    """Own and received values of the same test, told apart by one tag and the source."""
    patient = journey.asha.patient_id
    shown = journey.hims("GET", f"received?patient={patient}")["received"]
    hospitals = {one["hip_id"] for one in shown if one["state"] == "GRANTED"}
    need({NILGIRI.id, KONKAN.id} <= hospitals, f"The adapter shows records of {hospitals} only")
    own = journey.fhir("Observation", code=TSH, patient=patient)
    need(own.get("entry"), "The hospital's own thyroid values are not found")
    mixed = [e for e in own["entry"] if is_received(e["resource"])]
    need(not mixed, "A received value stands among the patient's own")
    values = [f"own {', '.join(_values(own))}"]
    for hospital in (NILGIRI, KONKAN):
        found = journey.fhir("Observation", code=TSH, _tag=RECEIVED, _source=SOURCE + hospital.id)
        need(found.get("entry"), f"No received thyroid value of {hospital.name} is found")
        values.append(f"{hospital.name} {', '.join(_values(found))}")
    origins = journey.fhir("Provenance", target=_of(journey, NILGIRI)[0], _summary="count")
    need(origins["total"], "No Provenance tells where a received value comes from")
    return f"TSH in mIU/L: {'; '.join(values)}"


def is_received(resource: dict[str, Any]) -> bool:
    """Whether a resource has the one tag that tells received from own."""
    tags = resource.get("meta", {}).get("tag", ())
    return RECEIVED in [f"{tag.get('system')}|{tag.get('code')}" for tag in tags]


def _values(found: dict[str, Any]) -> list[str]:
    quantities = [e["resource"]["valueQuantity"] for e in found["entry"]]
    return [f"{quantity['value']:g}" for quantity in quantities]


def revoke_one(journey: Journey) -> str:
    """The patient takes one hospital's consent back."""
    ids = _of(journey, NILGIRI)
    journey.simulator.revoke(journey.received[NILGIRI.id])
    seconds = _wait_until_gone(journey, NILGIRI, ids)
    need(seconds <= GONE_WITHIN_S, f"It took {seconds:.1f} s until the records were gone")
    need(_of(journey, KONKAN), f"The records of {KONKAN.name} went too")
    said = _no_longer_shown(journey, NILGIRI)
    return f"{len(ids)} resources gone {seconds:.1f} s after she revoked; {said}"


def expire_other(journey: Journey) -> str:
    """The other hospital's consent runs out by itself."""
    ids = _of(journey, KONKAN)
    wait = max(0.0, (journey.ends_at - datetime.now(UTC)).total_seconds())
    journey.progress(f"waiting {wait:.0f} s for the consent to end")
    time.sleep(wait)
    seconds = _wait_until_gone(journey, KONKAN, ids)
    own = journey.fhir("Observation", code=TSH, patient=journey.asha.patient_id)
    need(own.get("entry"), "The hospital's own records went too")
    said = _no_longer_shown(journey, KONKAN)
    return f"{len(ids)} resources gone {seconds:.1f} s after the end; {said}"


def _of(journey: Journey, hospital: OtherHospital) -> list[str]:
    """What is received under a hospital's consent and can be seen, as `Type/id`."""
    found: list[str] = []
    label = f"{CONSENT}|{journey.received[hospital.id]}"
    for kind in KINDS:
        bundle = journey.fhir(kind, _security=label, _count="200")
        found += [f"{kind}/{e['resource']['id']}" for e in bundle.get("entry", ())]
    return found


def _wait_until_gone(journey: Journey, hospital: OtherHospital, ids: list[str]) -> float:
    """Seconds until nothing of a hospital is found by search, read or history any more."""
    started = time.monotonic()

    def gone() -> bool:
        if _of(journey, hospital):
            return False
        return all(journey.gone(name) and journey.gone(f"{name}/_history/1") for name in ids)

    need(ids, f"Nothing of {hospital.name} was there before")
    journey.simulator.wait_for(gone, f"the records of {hospital.name} to be gone", PATIENCE_S)
    return time.monotonic() - started


def _no_longer_shown(journey: Journey, hospital: OtherHospital) -> str:
    """What the adapter answers about the documents that went."""
    artefact_id = journey.received[hospital.id]

    def archived() -> bool:
        documents = received_documents(journey, artefact_id)
        return bool(documents) and all("archived_at" in one for one in documents)

    journey.simulator.wait_for(archived, "the archived copies", PATIENCE_S)
    documents = received_documents(journey, artefact_id)
    for one in documents:
        need("sha256" not in one, "The adapter still describes a record whose consent has ended")
        refused = journey.refused("GET", f"received/{one['id']}/document")
        need(refused == one["message"], f"Asked for a document that went, it answers: {refused}")
    return f"of {len(documents)} documents the adapter only says: {documents[0]['message']}"


STEPS: tuple[Step, ...] = (
    Step(
        "Other hospitals hold records of the same patient",
        "Two hospitals of the simulated ABDM; one writes clean FHIR, one as many systems do.",
        open_others,
    ),
    Step(
        "Our hospital asks for them",
        "A consent request through the adapter's API; it appears in the patient's app.",
        ask,
    ),
    Step(
        "She agrees to less, for each hospital apart",
        "Two artefacts; what we may ask for is built from them, never from what we asked.",
        agree,
    ),
    Step(
        "The records arrive",
        "Pages are decrypted, kept verbatim, and split into separate, sourced resources.",
        arrive,
    ),
    Step(
        "Own and received, side by side",
        "One FHIR search each: by patient for the own values, by tag and source for the others.",
        side_by_side,
    ),
    Step(
        "She revokes at one hospital",
        "Read, search and history know nothing of it any more; a sealed copy is archived.",
        revoke_one,
    ),
    Step(
        "The other consent runs out",
        "Nobody has to say so: dataEraseAt is a due time.",
        expire_other,
    ),
)
