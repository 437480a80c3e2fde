"""The remote HIP: answers a data request, encrypts what it holds, pushes pages, reports.

It plays every HIP that is a service of the simulator's own. As a good HIP it sends only what the
artefact covers and stops when the consent ends; PushStyle says where it departs from that.
Source: V3 contract 6.7, 9 and 15 (item 6).
"""

import json
import time
from datetime import datetime, timedelta
from typing import Any

import requests

from conformance import schemas
from conformance.simulator import refcrypto
from conformance.simulator.core import Simulator
from conformance.simulator.errors import TEXTS
from conformance.simulator.push_plan import (
    Holding,
    PlannedPage,
    PushStyle,
    checksum,
    plan,
    spoil,
)
from conformance.simulator.refcrypto import KeyAgreementError, KeyPair
from conformance.simulator.state import Artefact, Pushed, Transfer, new_id
from conformance.simulator.times import now, parse, timestamp

PUSH_TIMEOUT = 120.0
RETRY_PAUSE = 0.2
KEY_LIFE = timedelta(days=1)
BAD_KEYS = "ABDM-1031"


def style_of(simulator: Simulator, transfer: Transfer) -> PushStyle:
    """How the HIP of a transfer pushes: as switched for the artefact, else for the HIP."""
    with simulator.state.changed:
        styles = simulator.state.push_styles
        return styles.get(transfer.artefact_id) or styles.get(transfer.hip_id) or PushStyle()


def serve(simulator: Simulator, transfer: Transfer) -> None:
    """Everything that a HIP does with HipHealthInformationRequest, in this thread."""
    style = style_of(simulator, transfer)
    if style.silent:
        return
    with simulator.state.changed:
        artefact = simulator.state.artefacts.get(transfer.artefact_id)
    error = _refusal(transfer, artefact, style)
    response = {"response": {"requestId": new_id()}}
    if error or artefact is None:
        _answer(simulator, transfer, {"error": error, **response})
        return
    status = {"transactionId": transfer.id, "sessionStatus": "ACKNOWLEDGED"}
    _answer(simulator, transfer, {"hiRequest": status, **response})
    documents = _held(simulator, transfer, artefact.detail)
    with simulator.state.changed:
        transfer.more = [new_id() for _ in range(style.transactions - 1)]
    pages = plan(documents, style, [transfer.id, *transfer.more])
    delivered = _Push(simulator, transfer, artefact, style).send(pages)
    _report(simulator, transfer, artefact, delivered)


def _refusal(
    transfer: Transfer, artefact: Artefact | None, style: PushStyle
) -> dict[str, str] | None:
    if style.refuses:
        return {"code": style.refuses, "message": TEXTS.get(style.refuses, "Refused")}
    if artefact is None or artefact.status != "GRANTED":
        return {"code": "ABDM-1062", "message": "Consent Not granted"}
    first, last = _dates(artefact.detail["permission"])
    start, end = _dates(transfer.asked)
    if not first <= start <= end <= last:
        return {"code": "ABDM-1063", "message": "Date Range given is invalid"}
    material = transfer.asked["keyMaterial"]
    try:
        refcrypto.decode_point(material["dhPublicKey"]["keyValue"])
        refcrypto.decode_nonce(material["nonce"])
        if parse(material["dhPublicKey"]["expiry"]) < now():
            raise KeyAgreementError("The public key has expired.")
    except KeyAgreementError as problem:
        return {"code": BAD_KEYS, "message": str(problem)}
    return None


def _dates(holder: dict[str, Any]) -> tuple[datetime, datetime]:
    return parse(holder["dateRange"]["from"]), parse(holder["dateRange"]["to"])


def _held(simulator: Simulator, transfer: Transfer, detail: dict[str, Any]) -> list[Holding]:
    """What the HIP may send of what was asked, in the artefact's order."""
    contexts = [one["careContextReference"] for one in detail["careContexts"]]
    start, end = _dates(transfer.asked)
    with simulator.state.changed:
        everything = [*simulator.state.holdings, *simulator.folder]
    found = [
        holding
        for holding in everything
        if holding.hip_id == transfer.hip_id
        and holding.care_context in contexts
        and holding.hi_type in detail["hiTypes"]
        and (holding.dated_at is None or start <= holding.dated_at <= end)
    ]
    return sorted(found, key=lambda holding: contexts.index(holding.care_context))


def _answer(simulator: Simulator, transfer: Transfer, body: dict[str, Any]) -> None:
    with simulator.state.changed:
        transfer.on_request = body
        simulator.state.changed.notify_all()


class _Push:
    """One push: its keys, and which documents arrived."""

    def __init__(
        self, simulator: Simulator, transfer: Transfer, artefact: Artefact, style: PushStyle
    ) -> None:
        self._simulator = simulator
        self._transfer = transfer
        self._artefact = artefact
        self._style = style
        self._keys = refcrypto.generate_key_pair()
        material = transfer.asked["keyMaterial"]
        self._peer = refcrypto.decode_point(material["dhPublicKey"]["keyValue"])
        self._nonce = refcrypto.decode_nonce(material["nonce"])

    def send(self, pages: list[PlannedPage]) -> dict[str, bool]:
        """Push the pages in turn; whether each care context arrived in full."""
        delivered: dict[str, bool] = {}
        for page in pages:
            time.sleep(self._style.seconds)
            arrived = self._may_go_on() and self._send_page(page)
            for holding in page.holdings:
                before = delivered.get(holding.care_context, True)
                delivered[holding.care_context] = before and arrived
        return delivered

    def _may_go_on(self) -> bool:
        with self._simulator.state.changed:
            return self._artefact.status == "GRANTED" or self._style.after_end

    def _send_page(self, planned: PlannedPage) -> bool:
        page = self._page(planned)
        status: int | None = None
        for attempt in range(max(1, self._style.tries)):
            time.sleep(RETRY_PAUSE * attempt)
            status = self._post(page)
            if status in (200, 202):
                break
        contexts = [holding.care_context for holding in planned.holdings]
        pushed = Pushed(planned.number, planned.count, planned.transaction_id, contexts, status)
        with self._simulator.state.changed:
            self._transfer.pushed.append(pushed)
            self._simulator.state.changed.notify_all()
        return status in (200, 202)

    def _page(self, planned: PlannedPage) -> dict[str, Any]:
        keys = refcrypto.generate_key_pair() if self._style.fresh_keys else self._keys
        return {
            "pageNumber": planned.number,
            "pageCount": planned.count,
            "transactionId": planned.transaction_id,
            "entries": [
                self._entry(holding, keys, spoilt=planned.spoilt) for holding in planned.holdings
            ],
            "keyMaterial": refcrypto.key_material(keys, self._style.key_form, now() + KEY_LIFE),
        }

    def _entry(self, holding: Holding, keys: KeyPair, *, spoilt: bool) -> dict[str, str]:
        content = holding.read()
        sealed = refcrypto.encrypt(keys, self._peer, self._nonce, content)
        return {
            "content": spoil(sealed) if spoilt else sealed,
            "media": "application/fhir+json",
            "checksum": checksum(content, self._style.checksum),
            "careContextReference": holding.care_context,
        }

    def _post(self, page: dict[str, Any]) -> int | None:
        url = self._transfer.asked["dataPushUrl"]
        headers = {"Content-Type": "application/json"}
        recorded = dict(headers)
        if self._style.bearer:
            token = self._simulator.realm.session(self._transfer.hip_id, 1200)
            headers["Authorization"] = f"Bearer {token}"
            recorded["AUTHORIZATION"] = "(present)"
        exchange = self._simulator.begin(
            "out", "HealthInformationPush", "POST", url, recorded, page
        )
        started = time.monotonic()
        try:
            reply = requests.post(
                url,
                data=json.dumps(page).encode(),
                headers=headers,
                timeout=PUSH_TIMEOUT,
                allow_redirects=False,
            )
            status, text, note = reply.status_code, reply.text, ""
        except requests.RequestException as error:
            status, text, note = None, "", f"not delivered: {type(error).__name__}"
        self._simulator.finish(exchange, status, text, time.monotonic() - started, note)
        return status


def _report(
    simulator: Simulator, transfer: Transfer, artefact: Artefact, delivered: dict[str, bool]
) -> None:
    contexts = dict.fromkeys(one["careContextReference"] for one in artefact.detail["careContexts"])
    described = {True: ("DELIVERED", "Delivered"), False: ("ERRORED", "Refused by the receiver")}
    lines = [
        {"careContextReference": context, "hiStatus": status, "description": text}
        for context in contexts
        for status, text in [
            described[delivered[context]]
            if context in delivered
            else ("ERRORED", "No record of this visit falls under the request")
        ]
    ]
    failed = not any(delivered.values())
    notification = {
        "consentId": transfer.artefact_id,
        "transactionId": transfer.id,
        "doneAt": timestamp(now()),
        "notifier": {"type": "HIP", "id": transfer.hip_id},
        "statusNotification": {
            "sessionStatus": "FAILED" if failed else "TRANSFERRED",
            "hipId": transfer.hip_id,
            "statusResponses": lines,
        },
    }
    wrong = schemas.problems("DataFlowNotifyByHip", {"notification": notification})
    if wrong:
        raise RuntimeError(f"The simulated HIP made a bad report: {'; '.join(wrong)}")
    with simulator.state.changed:
        transfer.hip_notification = {**notification, "receivedAt": timestamp(now())}
        simulator.state.changed.notify_all()
