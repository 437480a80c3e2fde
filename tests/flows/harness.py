"""One hospital for one test: real HAPI, real tables, real HTTP to an outside that records.

`Outside` plays gateway, message service and push receiver as a plain HTTP server: it notes what
arrives and answers what it is told to. `Site` puts callbacks where the edge puts them (the inbox)
and lets the work be done in this thread, under a clock that stands still. Ids are new for each
test, so tests share one FHIR server.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import sqlalchemy as sa

from adapter import flows
from adapter.protocol import routes, timestamps
from adapter.runtime import Adapter
from adapter.stores import inbox
from conformance.simulator import refcrypto
from mappings import systems
from tests import rig
from tests.flows import wire
from tests.flows.wire import Call

Json = dict[str, Any]
Reply = tuple[int, Json | str | bytes | None]

ON_DISCOVER = "/patient/care-context/on-discover"
ON_INIT = "/link/care-context/on-init"
ON_CONFIRM = "/link/care-context/on-confirm"
GENERATE_TOKEN = "/token/generate-token"
LINK = "/link/carecontext"
CONTEXT_NOTIFY = "/link/context/notify"
ON_NOTIFY = "/request/hip/on-notify"
ON_REQUEST = "/health-information/hip/on-request"
NOTIFY = "/health-information/notify"
PUSH = "/push/"
OTP = "/otp"


@dataclass
class Outside:
    """What the hospital talks to. `replies`: by path end, answers to give before the default.

    `calls`: what reached it, in the form of V3 whatever the dialect; `wires`: as it was sent, and
    `taken`: those of them that were not refused.
    """

    url: str = ""
    wires: list[Call] = field(default_factory=list)
    taken: list[Call] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    replies: dict[str, deque[Reply]] = field(default_factory=lambda: defaultdict(deque))
    hook: Callable[[Call], None] = lambda call: None

    def to(self, path: str) -> list[Call]:
        """Requests whose path ends with `path`, or contains it if it ends with a slash."""
        return [
            c for c in self.calls if (path in c.path if path[-1] == "/" else c.path.endswith(path))
        ]

    def only(self, path: str) -> Call:
        """The one request to `path`."""
        (call,) = self.to(path)
        return call

    def will_answer(self, path: str, *replies: Reply) -> None:
        """Answer the next requests to `path` so."""
        self.replies[path].extend(replies)

    def _reply(self, call: Call) -> Reply:
        for path, waiting in self.replies.items():
            hit = path in call.path if path[-1] == "/" else call.path.endswith(path)
            if hit and waiting:
                return waiting.popleft()
        if call.path.endswith("/sessions"):
            return 202, {"accessToken": "token-of-the-gateway", "expiresIn": 1200}
        return 202, None


@contextmanager
def outside() -> Iterator[Outside]:
    """The outside, listening on a free port of this machine."""
    made = Outside()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            call = Call(self.path, {k.lower(): v for k, v in self.headers.items()}, raw)
            made.wires.append(call)
            sent, call = call, wire.as_v3(call, list(made.wires))
            made.calls.append(call)
            made.hook(call)
            status, body = made._reply(call)
            if status < 400:
                made.taken.append(sent)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            content = b"" if body is None else content
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.do_POST()

        def do_PATCH(self) -> None:
            self.do_POST()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Site:
    """The hospital under test."""

    adapter: Adapter
    clock: rig.FrozenClock
    outside: Outside
    hfr_id: str
    hip_id: str
    generation: str = "v3"
    answered: set[str] = field(default_factory=set)

    # --- records --------------------------------------------------------------------------

    def load(self, *resources: Json) -> None:
        self.adapter.fhir.transaction(resources)

    def organization(self, hfr_id: str | None = None) -> Json:
        hfr_id = hfr_id or self.hfr_id
        return {
            "resourceType": "Organization",
            "id": f"org-{hfr_id}",
            "identifier": [{"system": systems.HFR_ID, "value": hfr_id}],
            "name": "Hospital of a Test",
        }

    def patient(self, **changes: Any) -> Json:
        """A patient with own ABHA address, number and mobile, all new."""
        tail = uuid.uuid4().int % 10**8
        identity = f"p-{uuid.uuid4()}"
        address = f"asha.{tail:08d}@sbx"
        made: Json = {
            "resourceType": "Patient",
            "id": identity,
            "identifier": [
                {"system": systems.ABHA_ADDRESS, "value": address},
                {"system": systems.ABHA_NUMBER, "value": f"91-00{tail:08d}"[:5] + "-0000-0000"},
                {
                    "type": {"coding": [{"system": systems.IDENTIFIER_TYPE_V2, "code": "MR"}]},
                    "system": f"urn:hospital:{self.hfr_id}",
                    "value": f"MRN-{tail:08d}",
                },
            ],
            "name": [{"text": "Asha Verma", "given": ["Asha"], "family": "Verma"}],
            "telecom": [{"system": "phone", "value": f"90{tail:08d}"}],
            "gender": "female",
            "birthDate": "1991-04-02",
        }
        made["identifier"][1]["value"] = f"91-{tail // 10000:04d}-{tail % 10000:04d}-0017"
        made.update(changes)
        return made

    def practitioner(self) -> Json:
        return {
            "resourceType": "Practitioner",
            "id": f"dr-{self.hfr_id}",
            "identifier": [{"system": systems.HPR_ID, "value": "71-0000-0000-0001"}],
            "name": [{"text": "Dr Meera Nair"}],
        }

    def visit(
        self,
        patient: Json,
        *,
        start: str = "2026-11-19T10:00:00+05:30",
        hfr_id: str | None = "own",
        prescription: bool = True,
        note: str = "Fever since three days",
        **changes: Any,
    ) -> list[Json]:
        """An OPD visit with a complaint and, unless told otherwise, a prescription."""
        identity = f"v-{uuid.uuid4()}"
        subject = {"reference": f"Patient/{patient['id']}"}
        encounter = {"reference": f"Encounter/{identity}"}
        doctor = {"reference": f"Practitioner/dr-{self.hfr_id}", "display": "Dr Meera Nair"}
        root: Json = {
            "resourceType": "Encounter",
            "id": identity,
            "status": "finished",
            "class": {"system": systems.ACT_CODE, "code": "AMB", "display": "ambulatory"},
            "subject": subject,
            "participant": [{"individual": doctor}],
            "period": {"start": start, "end": start},
        }
        if hfr_id:
            own = self.hfr_id if hfr_id == "own" else hfr_id
            root["serviceProvider"] = {"reference": f"Organization/org-{own}"}
        root.update(changes)
        made = [
            root,
            {
                "resourceType": "Condition",
                "id": f"c-{uuid.uuid4()}",
                "clinicalStatus": {
                    "coding": [{"system": systems.CONDITION_CLINICAL, "code": "active"}]
                },
                "code": {
                    "coding": [systems.coding(systems.SNOMED, "386661006", "Fever")],
                    "text": note,
                },
                "subject": subject,
                "encounter": encounter,
            },
        ]
        if prescription:
            made.append(
                {
                    "resourceType": "MedicationRequest",
                    "id": f"m-{uuid.uuid4()}",
                    "status": "active",
                    "intent": "order",
                    "medicationCodeableConcept": {
                        "coding": [systems.coding(systems.SNOMED, "387517004", "Paracetamol")],
                        "text": "Paracetamol 500 mg",
                    },
                    "subject": subject,
                    "encounter": encounter,
                    "authoredOn": start[:10],
                    "requester": doctor,
                    "dosageInstruction": [{"text": "One tablet thrice a day"}],
                }
            )
        return made

    def admit(self, patient: Json, *visits: list[Json]) -> None:
        """Load a patient with visits, doctor and facility."""
        flat = [resource for visit in visits for resource in visit]
        self.load(self.organization(), self.practitioner(), patient, *flat)

    # --- callbacks ------------------------------------------------------------------------

    def deliver(
        self,
        name: str,
        body: Json,
        *,
        request_id: str | None = None,
        hip_id: str | None = None,
        dialect: str = "",
    ) -> str:
        """Store a callback as the edge does, and do everything that is due; its REQUEST-ID."""
        request_id = self.store(name, body, request_id=request_id, hip_id=hip_id, dialect=dialect)
        self.run()
        return request_id

    def store(
        self,
        name: str,
        body: Json,
        *,
        request_id: str | None = None,
        hip_id: str | None = None,
        dialect: str = "",
    ) -> str:
        """Store a callback as the edge does; in `dialect` where it is not the usual one."""
        request_id = request_id or str(uuid.uuid4())
        hip_id = hip_id or self.hip_id
        raw = json.dumps(wire.callback(self.generation, name, body, request_id, self.clock()))
        dialect = dialect or wire.dialect(self.generation, name)
        headers = {
            "REQUEST-ID": request_id,
            "TIMESTAMP": timestamps.format(self.clock()),
            "X-HIP-ID": hip_id,
        }
        _, message = routes.decode(dialect, name, headers, raw.encode())
        with self.adapter.db.transaction() as tx:
            inbox.store(
                tx,
                self.adapter,
                message=name,
                dialect=dialect,
                request_id=request_id,
                hip_id=hip_id,
                hiu_id=None,
                sent_at=self.clock(),
                body=raw.encode(),
                patience=flows.HANDLERS[type(message)].patience,
            )
        return request_id

    def will_refuse(self, path: str, code: str, message: str, times: int = 1) -> None:
        """Refuse the next requests to `path` at once, with V3's code or what stands for it."""
        body = wire.refusal(self.generation, code, message)
        self.outside.will_answer(path, *[(400, body)] * times)

    def asked_for_token(self) -> list[Call]:
        """The requests for a link token, each by its first step."""
        return self.outside.to(wire.FIRST_STEP[self.generation])

    def answer(self, call: Call, name: str, body: Json) -> None:
        """Deliver the gateway's answer to a request of ours."""
        self.deliver(name, {**body, "response": {"requestId": call.request_id}})

    def run(self) -> None:
        """Do everything that is due now; a link token's challenge is met on the way (`wire`)."""
        rig.run_until_idle(self.adapter)
        while (found := wire.challenge(self.outside.taken, self.answered)) is not None:
            self.answered.add(found.request_id)
            self.store(found.name, found.body, hip_id=found.hip_id)
            rig.run_until_idle(self.adapter)

    def wait(self, seconds: float) -> None:
        """Let time pass in small steps, larger ones over minutes, and do what falls due at each."""
        until, step = self.clock() + timedelta(seconds=seconds), 5.0 if seconds <= 300 else 30.0
        while self.clock() < until:
            self.clock.advance(min(step, (until - self.clock()).total_seconds()))
            self.run()

    # --- what is stored ---------------------------------------------------------------------

    def rows(self, table: str) -> list[Json]:
        """Every row of a table."""
        with self.adapter.db.reading() as tx:
            return [dict(row._mapping) for row in tx.execute(sa.text(f"SELECT * FROM {table}"))]

    def row(self, table: str) -> Json:
        """The only row of a table."""
        (row,) = self.rows(table)
        return row

    def refusal(self, request_id: str) -> tuple[str, str | None]:
        """(state, error) of the stored callback."""
        (found,) = [r for r in self.rows("inbox") if r["request_id"] == request_id]
        return found["state"], found["error"]

    def audits(self) -> list[Json]:
        """AuditEvents that reached FHIR, by their subtype code."""
        made = []
        for row in self.rows("outbox"):
            if row["kind"] == "audit":
                assert row["state"] == "DONE", row
                event = self.adapter.fhir._read("AuditEvent", f"audit-{row['id']}")
                assert event is not None
                made.append(event)
        return made


# --- bodies -----------------------------------------------------------------------------------


def address_of(patient: Json) -> str:
    """The patient's ABHA address."""
    return str(patient["identifier"][0]["value"])


def number_of(patient: Json) -> str:
    """The patient's ABHA number, dashed."""
    return str(patient["identifier"][1]["value"])


def mobile_of(patient: Json) -> str:
    """The patient's mobile number."""
    return str(patient["telecom"][0]["value"])


def reference_of(visit: list[Json]) -> str:
    """The care context reference of a visit."""
    return f"Encounter-{visit[0]['id']}"


def discovery(patient: Json, **changes: Any) -> Json:
    """A discovery by the patient, verified by mobile."""
    return {
        "transactionId": str(uuid.uuid4()),
        "patient": {
            "id": address_of(patient),
            "verifiedIdentifiers": [{"type": "MOBILE", "value": f"+91{mobile_of(patient)}"}],
            "unverifiedIdentifiers": [],
            "name": "Asha Verma",
            "gender": "F",
            "yearOfBirth": 1991,
            **changes,
        },
    }


def artefact(site: Site, patient: Json, *visits: list[Json], **changes: Any) -> Json:
    """A consent artefact for these visits."""
    made: Json = {
        "schemaVersion": "v3",
        "consentId": str(uuid.uuid4()),
        "createdAt": timestamps.format(site.clock()),
        "patient": {"id": address_of(patient)},
        "careContexts": [
            {"patientReference": "MRN-1", "careContextReference": reference_of(visit)}
            for visit in visits
        ],
        "purpose": {"text": "Self Requested", "code": "PATRQT", "refUri": None},
        "hip": {"id": site.hip_id, "name": "Hospital of a Test"},
        "hiu": {"id": "HIU-1"},
        "consentManager": {"id": "sbx"},
        "hiTypes": ["OPConsultation", "Prescription"],
        "permission": {
            "accessMode": "VIEW",
            "dateRange": {"from": "2026-01-01T00:00:00.000Z", "to": "2026-11-23T00:00:00.000Z"},
            "dataEraseAt": "2026-12-31T18:30:00.000Z",
            "frequency": {"unit": "HOUR", "value": 1, "repeats": 0},
        },
    }
    made.update(changes)
    return made


def grant(detail: Json) -> Json:
    """The notice of a granted artefact."""
    return {
        "notification": {
            "status": "GRANTED",
            "consentId": detail["consentId"],
            "consentDetail": detail,
            "signature": "c2lnbmF0dXJl",
            "grantAcknowledgement": False,
        }
    }


def end(detail: Json, status: str) -> Json:
    """The notice that an artefact has ended."""
    return {"notification": {"status": status, "consentId": detail["consentId"]}}


@dataclass
class Hiu:
    """A HIU's side of one request: its keys by plain curve arithmetic, and what it decrypts."""

    pair: refcrypto.KeyPair = field(default_factory=refcrypto.generate_key_pair)

    def request(self, site: Site, detail: Json, **changes: Any) -> Json:
        """A health-information request under this artefact."""
        expiry = datetime.fromisoformat("2026-12-31T18:30:00+00:00")
        made: Json = {
            "consent": {"id": detail["consentId"]},
            "dateRange": detail["permission"]["dateRange"],
            "dataPushUrl": f"{site.outside.url}{PUSH}{uuid.uuid4()}",
            "keyMaterial": refcrypto.key_material(self.pair, "raw", expiry),
        }
        made.update(changes)
        return {
            "requestId": "",
            "timestamp": "",
            "transactionId": str(uuid.uuid4()),
            "hiRequest": made,
        }

    def open(self, call: Call) -> tuple[str, Json]:
        """(care context reference, document) of a page."""
        page = call.body
        (entry,) = page["entries"]
        key = page["keyMaterial"]
        plaintext = refcrypto.decrypt(
            self.pair,
            refcrypto.decode_point(key["dhPublicKey"]["keyValue"]),
            refcrypto.decode_nonce(key["nonce"]),
            entry["content"],
        )
        return entry["careContextReference"], json.loads(plaintext)


def error_code(call: Call) -> str:
    """The code of the error that a reply of ours carries; it carries nothing else then."""
    body = call.body
    assert not {"patient", "link", "hiRequest", "acknowledgement"} & set(body)
    return str(body["error"]["code"])
