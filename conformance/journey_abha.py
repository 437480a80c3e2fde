"""The beginning of the guided journey: the hospital joins ABDM, three patients come to its desk.

One has no ABHA and gets one, the second scans the counter's QR code with their app, the third shows
the QR code of a card. All through the adapter's API, as a hospital's own system would.
"""

from __future__ import annotations

import random
import uuid
from typing import Any

from conformance import hospital
from conformance.journey import Journey, Step, need

COUNTER = "OPD3"
#: Of the text that ABDM has people agree to, by generation.
CONSENT_VERSIONS = {"v3": "1.4", "v0.5": "v1.0"}
CONSENT = (
    "I agree to create my ABHA number with my Aadhaar number, and that the hospital sees the "
    "details that ABDM has of me."
)


def join(journey: Journey) -> str:
    """Register the hospital's facility with ABDM, and check that callbacks reach the adapter."""
    facility = hospital.facilities()[0]
    journey.simulator.add_facility(facility.hfr_id, facility.name)
    body = {"hf_id": facility.hfr_id, "facility_id": facility.hfr_id}
    found = journey.hims("POST", "facilities", body)
    need(found["registered"], f"ABDM has not registered {facility.hfr_id}: {found['message']}")
    checks = {each["name"]: each for each in journey.hims("POST", "bridge/verify")["checks"]}
    need(checks["ours"]["ok"], f"The bridge URL is not ours: {checks['ours']['detail']}")
    seen = checks["ours"]["detail"]
    return f"{found['name']} is registered as HIP and HIU {found['hip_id']}; {seen}"


def create(journey: Journey) -> str:
    """A patient without ABHA gets one by Aadhaar OTP, with a mobile and an address of her own."""
    version = CONSENT_VERSIONS[journey.stack.generation]
    at_aadhaar, own = _mobile(), _mobile()
    aadhaar = journey.simulator.add_person("Lata", "Kulkarni", "F", "1972-08-19", at_aadhaar)
    begun = journey.hims(
        "POST",
        "abha/enrolments",
        {
            "aadhaar": aadhaar,
            "consent": {"agreed": True, "version": version, "text": CONSENT},
            "facility": journey.hip_id,
        },
    )
    path = f"abha/transactions/{begun['id']}"

    def step(name: str, **body: Any) -> dict[str, Any]:
        return journey.hims("POST", f"{path}/{name}", body)

    verified = step("verify", otp=journey.simulator.latest_otp(at_aadhaar), mobile=own)
    if "send_mobile_otp" in verified["steps"][:1]:
        step("mobile")
    step("mobile/verify", otp=journey.simulator.latest_otp(own))
    offered = journey.hims("GET", f"{path}/addresses")["addresses"]
    few = len(offered) < 3 and journey.stack.generation == "v3"  # the older service offers none
    need(not few, "ABDM offered fewer than three addresses")
    profile = step("address", abha_address=f"lata_{uuid.uuid4().hex[:10]}")["profile"]
    linked = step("link", new=True)
    patient = journey.fhir(f"Patient/{linked['patient']}")
    need(profile["new"], "The ABHA is not marked as created here")
    need(len(patient.get("identifier", [])) == 2, "The patient lacks ABHA number or address")
    return (
        f"ABHA {profile['abha_number']} with address {profile['health_id']} created and linked to "
        f"Patient/{linked['patient']}; Aadhaar number and OTPs left encrypted and are kept nowhere"
    )


def scan_counter(journey: Journey) -> str:
    """A patient scans the counter's QR code with their app and receives a token number."""
    _, address = _holder(journey, "Ravi", "Deshmukh", "M", "1966-01-30")
    query = f"facility={journey.hip_id}&counter={COUNTER}&format=text"
    url = journey.hims("GET", f"abha/qr?{query}")["url"]
    share = journey.simulator.wait_share(journey.simulator.scan_qr(address, url))
    need(share.status == "ACCEPTED", f"The share ended {share.status}: {share.error}")
    journey.simulator.wait_for(
        lambda: _entry(journey, address)["profile"]["patient"] is not None,
        "the patient of the shared profile",
    )
    entry = _entry(journey, address)
    need(str(entry["number"]) == share.token_number, "The desk sees another number than the app")
    called = journey.hims("POST", f"queue/{entry['id']}/call")
    need(called["state"] == "CALLED", f"The number is {called['state']} after the call")
    return (
        f"token {share.token_number} of counter {COUNTER} is in the app and in the desk's queue, "
        f"as Patient/{entry['profile']['patient']}, and is called"
    )


def show_card(journey: Journey) -> str:
    """A patient shows the QR code of an ABHA card; a link token is fetched in the background."""
    number, address = _holder(journey, "Meena", "Iyer", "F", "1991-11-02")
    scanned = journey.hims(
        "POST",
        "abha/scans",
        {"content": journey.simulator.abha_qr(number), "facility": journey.hip_id},
    )["profile"]
    need(not scanned["verified"], "What a QR says counts as verified")
    path = f"abha/profiles/{scanned['id']}"
    linked = journey.hims("POST", f"{path}/link", {"new": True})["profile"]
    journey.simulator.wait_for(
        lambda: journey.hims("GET", path)["profile"]["verified"],
        f"the link token of {address}",
    )
    return (
        f"the card of {number} became Patient/{linked['patient']}; ABDM gave a link token for it, "
        "so the details are right"
    )


def _holder(journey: Journey, first: str, last: str, gender: str, born: str) -> tuple[str, str]:
    """(ABHA number, ABHA address) of somebody new who has one already."""
    aadhaar = journey.simulator.add_person(first, last, gender, born, _mobile())
    address = f"{first.lower()}.{uuid.uuid4().hex[:10]}@sbx"
    return journey.simulator.add_abha(aadhaar, abha_address=address), address


def _entry(journey: Journey, address: str) -> dict[str, Any]:
    """The queue's entry of somebody who shared their profile."""
    queue = journey.hims("GET", f"queue?facility={journey.hip_id}&counter={COUNTER}")["queue"]
    mine = [each for each in queue if each["profile"]["health_id"] == address]
    need(len(mine) == 1, f"{address} is {len(mine)} times in the queue")
    return dict(mine[0])


def _mobile() -> str:
    """A number that nobody had in an earlier run on the same FHIR server."""
    return f"9{random.randrange(10**9):09d}"


STEPS = (
    Step(
        "The hospital joins ABDM",
        "Facility registered as HIP and HIU; a nonce proves that callbacks reach this adapter.",
        join,
    ),
    Step(
        "A patient gets an ABHA",
        "By Aadhaar OTP, with consent; another mobile is verified, an address chosen.",
        create,
    ),
    Step(
        "A patient scans the counter's QR",
        "The app shares the profile; a token number comes back within 30 seconds.",
        scan_counter,
    ),
    Step(
        "A patient shows an ABHA card",
        "Its QR is read, a patient made, a link token fetched.",
        show_card,
    ),
)
