"""The patient's app and QR codes: it scans a counter's and shares the profile; it shows its own.

A QR is scanned by pasting its text. Nothing leaves before the patient presses Share. Source:
functional cases SHARE_PATIENT_PROFILE_701 and QR-READ.
"""

import base64
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from conformance.simulator import abha_cards, abha_people, share
from conformance.simulator.core import Simulator
from conformance.simulator.lookups import NotFound, patient_named

Page = str | BaseResponse
PATIENCE = 3.0  # seconds a page waits for the hospital before it says "waiting"


def landing(url: str) -> str:
    """Where somebody goes who opened a counter's QR in a browser: to choose who shares."""
    return f"/phr/who-shares?{urlencode({'text': url})}"


def add_share_pages(blueprint: Blueprint, simulator: Simulator) -> None:
    """Adds the pages to the patient's app."""
    state = simulator.state

    @blueprint.get("/who-shares")
    def who_shares() -> Page:
        text = request.args.get("text", "")
        hip_id, counter = share.read_qr(simulator, text)
        with state.changed:
            people = sorted(state.patients.values(), key=lambda person: person.name)
        hospital = share.hospital_name(simulator, hip_id)
        return render_template(
            "phr/who_shares.html", people=people, text=text, hospital=hospital, counter=counter
        )

    @blueprint.get("/<address>/scan")
    def scan(address: str) -> Page:
        person = patient_named(simulator, address)
        text = request.args.get("text", "").strip()
        if not text:
            with state.changed:
                shares = [s for s in state.shares.values() if s.abha_address == address]
            return render_template(
                "phr/scan.html", person=person, shares=shares[::-1], services=state.services
            )
        hip_id, counter = share.read_qr(simulator, text)
        return render_template(
            "phr/share_profile.html",
            person=person,
            profile=share.profile(simulator, person),
            hospital=share.hospital_name(simulator, hip_id),
            counter=counter,
            text=text,
        )

    @blueprint.post("/<address>/scan")
    def share_profile(address: str) -> Page:
        share_id = share.scan(simulator, address, request.form.get("text", ""))
        return redirect(url_for("phr.shared", address=address, share_id=share_id), 303)

    @blueprint.get("/<address>/card")
    def card(address: str) -> Page:
        person = patient_named(simulator, address)
        with state.changed:
            account = abha_people.account_at(simulator, address)
        if account is None:
            raise NotFound(f"{address} belongs to no ABHA of the ABHA service; there is no card.")
        text = abha_cards.payload(account, "app")
        picture = base64.b64encode(abha_cards.qr(text)).decode()
        return render_template("phr/card.html", person=person, text=text, picture=picture)

    @blueprint.get("/<address>/shares/<share_id>")
    def shared(address: str, share_id: str) -> Page:
        person = patient_named(simulator, address)
        found = share.share_named(simulator, share_id)
        if found.abha_address != address:
            raise NotFound(f"{address} has shared nothing under this id.")
        state.wait(lambda: found.status != "SENT", PATIENCE)
        return render_template(
            "phr/shared.html",
            person=person,
            shared=found,
            hospital=share.hospital_name(simulator, found.hip_id),
            waiting=found.status == "SENT",
        )
