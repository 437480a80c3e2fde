"""A registration desk of a hospital before the real simulator's ABHA service, over HTTP.

The desk uses the HIMS API as a hospital's own system does. Everybody is invented and new for each
test, since all tests share one FHIR server.
"""

from __future__ import annotations

import itertools
import random
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

from adapter.runtime import Adapter
from conformance.simulator.client import SimulatorClient
from conformance.simulator.server import RunningSimulator
from tests import rig

Json = dict[str, Any]

KEY = "key-for-all-facilities"
CONSENT = {"agreed": True, "version": "1.4", "text": "I agree to create my ABHA.", "language": "en"}


@dataclass(frozen=True)
class Words:
    """What the two services call the same things: their calls (for faults) and refusals."""

    version: str
    aadhaar_otp: str
    verify_aadhaar: str
    verify_mobile: str
    set_address: str
    verify_login: str
    profile: str
    otp_wrong: str
    locked: str
    taken: str


WORDS = {
    "v3": Words(
        version="1.4",
        aadhaar_otp="AbhaEnrolOtp",
        verify_aadhaar="AbhaEnrol",
        verify_mobile="AbhaEnrolVerify",
        set_address="AbhaSetAddress",
        verify_login="AbhaLoginVerify",
        profile="AbhaProfile",
        otp_wrong="ABDM-1204",
        locked="ABDM-1100",
        taken="ABDM-1101",
    ),
    "v0.5": Words(
        version="v1.0",
        aadhaar_otp="HealthIdAadhaarOtp",
        verify_aadhaar="HealthIdVerifyAadhaar",
        verify_mobile="HealthIdVerifyMobile",
        set_address="HealthIdAddress",
        verify_login="HealthIdAuthMobile",
        profile="HealthIdProfile",
        otp_wrong="HIS-2022",
        locked="HIS-1041",
        taken="HIS-1015",
    ),
}


@dataclass
class Person:
    """An invented Aadhaar holder."""

    aadhaar: str
    mobile: str
    first: str
    last: str


@dataclass
class Front:
    """The desk: its API client, the adapter behind it, and ABDM's side in one generation."""

    adapter: Adapter
    client: FlaskClient
    running: RunningSimulator
    generation: str = "v3"

    @property
    def words(self) -> Words:
        return WORDS[self.generation]

    @property
    def consent(self) -> Json:
        """What the person agreed to, in the version that the service takes."""
        return {**CONSENT, "version": self.words.version}

    @property
    def abdm(self) -> SimulatorClient:
        return self.running.client

    # --- people ------------------------------------------------------------------------------

    def person(self, *, mobile: str | None = None, **more: str) -> Person:
        """Somebody new."""
        first, last = more.pop("first_name", "Asha"), more.pop("last_name", "Verma")
        number = new_mobile() if mobile is None else mobile
        aadhaar = self.abdm.add_person(first, last, "F", "1984-03-07", number, **more)
        return Person(aadhaar, number, first, last)

    def holder(self, *, mobile: str | None = None, **more: str) -> tuple[Person, str, str]:
        """Somebody new with an ABHA: (person, ABHA number, ABHA address)."""
        person = self.person(mobile=mobile, **more)
        address = f"asha.{uuid.uuid4().hex[:10]}@sbx"
        return person, self.abdm.add_abha(person.aadhaar, None, address), address

    def patient(self, **elements: Any) -> str:
        """A patient of the hospital's own, who has no ABHA yet."""
        patient_id = f"p-{uuid.uuid4()}"
        made = {
            "resourceType": "Patient",
            "id": patient_id,
            "name": [{"text": "Asha Verma"}],
            "gender": "female",
            "birthDate": "1984",
            **elements,
        }
        self.adapter.fhir.put(made)
        return patient_id

    # --- calls -------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Json | None = None) -> Any:
        headers = {"Authorization": f"Bearer {KEY}", "X-User": "Sister Mary"}
        return self.client.open(f"/hims/v1{path}", method=method, json=body, headers=headers)

    def post(self, path: str, **body: Any) -> Json:
        """A call that goes well; its answer."""
        answer = self.call("POST", path, body)
        assert answer.status_code == 200, answer.json
        found: Json = answer.json
        return found

    def refused(self, path: str, status: int, **body: Any) -> Json:
        """A call that is refused with this status; its error."""
        answer = self.call("POST", path, body)
        assert answer.status_code == status, (answer.status_code, answer.json)
        error: Json = answer.json["error"]
        return error

    def get(self, path: str) -> Json:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.json
        found: Json = answer.json
        return found

    def otp(self, mobile: str) -> str:
        return self.abdm.latest_otp(mobile)

    def otps(self, mobile: str) -> list[str]:
        """Every one-time password that went to a number, in order."""
        return [each.text[:6] for each in self.abdm.sms() if each.to == mobile]

    def enrol(self, person: Person, **body: Any) -> Json:
        """Begin to create an ABHA."""
        return self.post("/abha/enrolments", aadhaar=person.aadhaar, consent=self.consent, **body)

    def created(self, person: Person, **body: Any) -> Json:
        """Create an ABHA whose communication mobile is the one at Aadhaar."""
        begun = self.enrol(person, **body)
        path = f"/abha/transactions/{begun['id']}/verify"
        return self.post(path, otp=self.otp(person.mobile), mobile=person.mobile)

    # --- looking -----------------------------------------------------------------------------

    def fhir_patient(self, patient_id: str) -> Json:
        found = self.adapter.fhir.patient(patient_id)
        assert found is not None
        return found

    def earlier(self, transaction: Json, seconds: float) -> None:
        """As if the transaction's last OTP had been sent that much earlier."""
        with self.adapter.db.transaction() as tx:
            tx.execute(
                sa.text("UPDATE abha_transaction SET sent_at = :at WHERE id = :id").bindparams(
                    sa.bindparam("at", self.adapter.clock() - timedelta(seconds=seconds)),
                    sa.bindparam("id", transaction["id"]),
                )
            )

    def rows(self, table: str) -> list[Json]:
        with self.adapter.db.reading() as tx:
            return [dict(row._mapping) for row in tx.execute(sa.text(f"SELECT * FROM {table}"))]

    def run(self) -> None:
        """Do everything that is due in the background."""
        rig.run_until_idle(self.adapter)


def new_mobile() -> str:
    """A mobile number that nobody else in the run has."""
    return f"9{random.randrange(10**9):09d}"


def fresh_numbers(running: RunningSimulator) -> None:
    """Numbers that no other test's people have: the FHIR server is everybody's."""
    abha = running.simulator.state.abha
    abha.serials = itertools.count(random.randrange(10**6, 10**7 - 10**4))
