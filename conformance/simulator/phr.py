"""The patient's app as plain pages: discover and link, answer consent requests, read.

Server-rendered, autoescaped, without scripts. Every form posts, acts through the same functions
as the control calls, and redirects. No login: one chooses a person; for local use only.
"""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from conformance.simulator import consent_manager, counterparts, user_linking, views
from conformance.simulator.consent_manager import PURPOSES
from conformance.simulator.core import Simulator
from conformance.simulator.documents import readable
from conformance.simulator.errors import HI_TYPES
from conformance.simulator.lookups import (
    NotFound,
    PatientMistake,
    artefact_named,
    owned,
    patient_named,
    request_named,
    transaction_named,
    transfer_named,
)
from conformance.simulator.phr_forms import (
    day,
    end_of_day,
    moment,
    narrowing_of,
    start_of_day,
    visits_of,
)
from conformance.simulator.phr_share import add_share_pages
from conformance.simulator.state import Document, Service
from conformance.simulator.times import now

_RUNNING = ("REQUESTED", "ACKNOWLEDGED")
PATIENCE = 3.0  # seconds a page waits for the hospital before it says "waiting"
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
Page = str | BaseResponse


def phr_blueprint(simulator: Simulator) -> Blueprint:
    """`/phr/…` over one simulator."""
    blueprint = Blueprint(
        "phr", __name__, url_prefix="/phr", template_folder="templates", static_folder="static"
    )
    pages = _Pages(simulator)
    get, post = ["GET"], ["POST"]
    person = "/<address>"
    for path, view, methods in (
        ("/", pages.people, get),
        (f"{person}/", pages.home, get),
        (f"{person}/discover", pages.discover, get),
        (f"{person}/discover", pages.start_discovery, post),
        (f"{person}/linking/<transaction_id>", pages.linking, get),
        (f"{person}/linking/<transaction_id>/choose", pages.choose, post),
        (f"{person}/linking/<transaction_id>/confirm", pages.confirm, post),
        (f"{person}/requests/<request_id>", pages.consent_request, get),
        (f"{person}/requests/<request_id>/grant", pages.grant, post),
        (f"{person}/requests/<request_id>/deny", pages.deny, post),
        (f"{person}/ask", pages.ask, get),
        (f"{person}/ask", pages.send_request, post),
        (f"{person}/consents/<artefact_id>", pages.consent, get),
        (f"{person}/consents/<artefact_id>/revoke", pages.revoke, post),
        (f"{person}/consents/<artefact_id>/fetch", pages.fetch, post),
        (f"{person}/received/<transfer_id>/<int:number>", pages.document, get),
        (f"{person}/received/<transfer_id>/<int:number>.json", pages.raw_document, get),
    ):
        blueprint.add_url_rule(path, view.__name__, view, methods=methods)

    @blueprint.before_request
    def refuse_foreign_forms() -> tuple[str, int] | None:
        origin = request.headers.get("Origin")
        if request.method == "POST" and origin and urlsplit(origin).netloc != request.host:
            return render_template("phr/mistake.html", sentence="Use the app's own pages."), 403
        return None

    @blueprint.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cache-Control"] = "no-store"
        return response

    @blueprint.errorhandler(PatientMistake)
    def explain(error: PatientMistake) -> tuple[str, int]:
        status = 404 if isinstance(error, NotFound) else 400
        return render_template("phr/mistake.html", sentence=str(error)), status

    add_share_pages(blueprint, simulator)
    blueprint.add_app_template_filter(day, "day")
    blueprint.add_app_template_filter(moment, "moment")
    return blueprint


class _Pages:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._state = simulator.state

    # -- choosing and overview ---------------------------------------------------------------

    def people(self) -> Page:
        with self._state.changed:
            people = sorted(self._state.patients.values(), key=lambda person: person.name)
        return render_template("phr/people.html", people=people)

    def home(self, address: str) -> Page:
        person = patient_named(self._simulator, address)
        with self._state.changed:
            links = [link for link in self._state.links.values() if link.abha_address == address]
            requests = [
                r for r in self._state.consent_requests.values() if r.abha_address == address
            ]
            consents = [a for a in self._state.artefacts.values() if a.abha_address == address]
            received = [
                (transfer, number, document, readable(document.content).title)
                for artefact in consents
                for transfer in self._state.transfers.values()
                if transfer.artefact_id == artefact.id
                for number, document in enumerate(transfer.documents)
            ]
        return render_template(
            "phr/home.html",
            person=person,
            visits=visits_of(links),
            requests=requests[::-1],
            consents=consents[::-1],
            received=received[::-1],
            services=self._state.services,
        )

    # -- linking -----------------------------------------------------------------------------

    def discover(self, address: str) -> Page:
        person = patient_named(self._simulator, address)
        return render_template(
            "phr/discover.html",
            person=person,
            hospitals=self._services("HIP"),
            chosen=request.args.get("hip", ""),
        )

    def start_discovery(self, address: str) -> Page:
        record_number = request.form.get("record_number", "").strip()
        typed = [("MR", record_number)] if record_number else []
        hip_id = request.form.get("hip_id", "")
        transaction_id = user_linking.discover(self._simulator, address, hip_id, typed)
        return self._to("linking", address, transaction_id=transaction_id)

    def linking(self, address: str, transaction_id: str) -> Page:
        person = patient_named(self._simulator, address)
        transaction = owned(transaction_named(self._simulator, transaction_id), address)

        def answered() -> bool:
            if transaction.discovery is None:
                return False
            if transaction.selection and transaction.challenge is None:
                return False
            return not (request.args.get("confirming") and transaction.confirmation is None)

        done = self._state.wait(answered, PATIENCE)
        return render_template(
            "phr/linking.html",
            person=person,
            hospital=self._state.services[transaction.hip_id],
            transaction=transaction,
            waiting=not done,
        )

    def choose(self, address: str, transaction_id: str) -> Page:
        chosen = request.form.getlist("care_context")
        if not chosen:
            raise PatientMistake("Choose at least one visit to link.")
        owned(transaction_named(self._simulator, transaction_id), address)
        user_linking.start_linking(self._simulator, transaction_id, chosen)
        return self._to("linking", address, transaction_id=transaction_id)

    def confirm(self, address: str, transaction_id: str) -> Page:
        transaction = owned(transaction_named(self._simulator, transaction_id), address)
        link = (transaction.challenge or {}).get("link") or {}
        otp = request.form.get("otp", "").strip()
        user_linking.confirm_linking(self._simulator, link.get("referenceNumber", ""), otp)
        return self._to("linking", address, transaction_id=transaction_id, confirming=1)

    # -- consent -----------------------------------------------------------------------------

    def ask(self, address: str) -> Page:
        return render_template(
            "phr/ask.html",
            person=patient_named(self._simulator, address),
            hospitals=self._services("HIP"),
            hi_types=HI_TYPES,
            purposes=PURPOSES,
            today=now().date(),
            year_ago=now().date() - timedelta(days=730),
            next_month=now().date() + timedelta(days=30),
        )

    def send_request(self, address: str) -> Page:
        asked = consent_manager.raise_request(
            self._simulator,
            request.form.get("hiu_id", "").strip() or "REMOTE-HIU",
            address,
            request.form.getlist("hi_type"),
            start_of_day(request.form.get("date_from", "")),
            min(end_of_day(request.form.get("date_to", "")), now()),
            end_of_day(request.form.get("erase_at", "")),
            request.form.get("purpose", "CAREMGT"),
            request.form.get("hip_id") or None,
        )
        return self._to("consent_request", address, request_id=asked.id)

    def consent_request(self, address: str, request_id: str) -> Page:
        asked = owned(request_named(self._simulator, request_id), address)
        with self._state.changed:
            links = [link for link in self._state.links.values() if link.abha_address == address]
            artefacts = [self._state.artefacts[artefact_id] for artefact_id in asked.artefacts]
            consents = {one.id: self._state.services[one.hip_id].name for one in artefacts}
        return render_template(
            "phr/request.html",
            consents=consents,
            person=patient_named(self._simulator, address),
            asked=views.consent_request(self._simulator, asked),
            purpose=PURPOSES[asked.purpose],
            visits=visits_of([link for link in links if consent_manager.covers(asked, link)]),
            services=self._state.services,
        )

    def grant(self, address: str, request_id: str) -> Page:
        asked = owned(request_named(self._simulator, request_id), address)
        narrowing, per_hip = narrowing_of(asked, request.form)
        artefacts = consent_manager.grant(self._simulator, request_id, narrowing, per_hip)
        if len(artefacts) == 1:
            return self._to("consent", address, artefact_id=artefacts[0].id)
        return self._to("home", address)

    def deny(self, address: str, request_id: str) -> Page:
        owned(request_named(self._simulator, request_id), address)
        consent_manager.deny(self._simulator, request_id)
        return self._to("home", address)

    def consent(self, address: str, artefact_id: str) -> Page:
        artefact = owned(artefact_named(self._simulator, artefact_id), address)

        def settled() -> bool:
            transfers = [t for t in self._state.transfers.values() if t.artefact_id == artefact_id]
            return all(counterparts.status_of(t) not in _RUNNING for t in transfers)

        waiting = not self._state.wait(settled, PATIENCE)
        with self._state.changed:
            transfers = [
                (transfer, counterparts.status_of(transfer))
                for transfer in self._state.transfers.values()
                if transfer.artefact_id == artefact_id
            ]
            return render_template(
                "phr/consent.html",
                person=patient_named(self._simulator, address),
                artefact=views.artefact(self._simulator, artefact),
                transfers=transfers[::-1],
                titles={
                    transfer.id: [readable(found.content).title for found in transfer.documents]
                    for transfer, _ in transfers
                },
                services=self._state.services,
                ours=self._simulator.plays(artefact.hiu_id),
                waiting=waiting,
            )

    def revoke(self, address: str, artefact_id: str) -> Page:
        owned(artefact_named(self._simulator, artefact_id), address)
        consent_manager.revoke(self._simulator, artefact_id)
        return self._to("consent", address, artefact_id=artefact_id)

    def fetch(self, address: str, artefact_id: str) -> Page:
        owned(artefact_named(self._simulator, artefact_id), address)
        counterparts.request_data(self._simulator, artefact_id)
        return self._to("consent", address, artefact_id=artefact_id)

    # -- reading -----------------------------------------------------------------------------

    def document(self, address: str, transfer_id: str, number: int) -> Page:
        found = self._document(address, transfer_id, number)
        return render_template(
            "phr/document.html",
            person=patient_named(self._simulator, address),
            document=found,
            readable=readable(found.content),
            transfer_id=transfer_id,
            number=number,
        )

    def raw_document(self, address: str, transfer_id: str, number: int) -> Page:
        found = self._document(address, transfer_id, number)
        return Response(found.content, mimetype="application/fhir+json")

    def _document(self, address: str, transfer_id: str, number: int) -> Document:
        with self._state.changed:
            transfer = transfer_named(self._simulator, transfer_id)
            owned(artefact_named(self._simulator, transfer.artefact_id), address)
            if number >= len(transfer.documents):
                raise NotFound("There is no such document.")
            return transfer.documents[number]

    # -- helpers -----------------------------------------------------------------------------

    def _services(self, role: str) -> list[Service]:
        with self._state.changed:
            found = [s for s in self._state.services.values() if role in s.types and s.active]
        return sorted(found, key=lambda service: service.name)

    def _to(self, page: str, address: str, **arguments: Any) -> BaseResponse:
        return redirect(url_for(f"phr.{page}", address=address, **arguments), 303)
