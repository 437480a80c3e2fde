"""The remote HIU: asks for data with fresh keys, receives pages, decrypts, keeps documents.

Answers 202 even to bad content and notes what was wrong, as a receiver should. Source: V3
contract 6.7, 7.5, 9.
"""

import base64
import hashlib
import json
import secrets
from datetime import datetime, timedelta
from typing import Any

from conformance import schemas
from conformance.simulator import data_flow, refcrypto
from conformance.simulator.core import Simulator
from conformance.simulator.errors import refusal
from conformance.simulator.lookups import PatientMistake
from conformance.simulator.refcrypto import KeyAgreementError, KeyForm, KeyPair
from conformance.simulator.state import Document, Page, Transfer, new_id
from conformance.simulator.times import now, parse, timestamp

KEY_FORMS: tuple[KeyForm, ...] = ("raw", "x509-explicit", "x509-named")


def request_data(
    simulator: Simulator,
    artefact_id: str,
    *,
    date_from: datetime | None = None,
    date_to: datetime | None = None,
    key_form: KeyForm = "raw",
    push_url: str | None = None,
    key_material: dict[str, Any] | None = None,
    hip_id: str | None = None,
) -> Transfer:
    """Ask the HIP of an artefact for its data; dates as consented unless given.

    `push_url`, `key_material` and `hip_id` replace what is right, to see how a HIP refuses. An
    artefact unknown to the consent manager needs `hip_id`.
    """
    if key_form not in KEY_FORMS:
        raise PatientMistake(f"The key form is one of {', '.join(KEY_FORMS)}.")
    with simulator.state.changed:
        artefact = simulator.state.artefacts.get(artefact_id)
    if artefact is None and hip_id is None:
        raise PatientMistake("Name the HIP to ask about a consent that does not exist.")
    permitted = artefact.detail["permission"]["dateRange"] if artefact else None
    keys = refcrypto.generate_key_pair()
    transfer = Transfer(
        new_id(),
        artefact_id,
        hip_id or (artefact.hip_id if artefact else ""),
        artefact.hiu_id if artefact else "",
        f"/hiu/push/{secrets.token_urlsafe(24)}",
        keys,
        now(),
    )
    with simulator.state.changed:
        simulator.state.transfers[transfer.id] = transfer
    start = date_from or (parse(permitted["from"]) if permitted else now() - timedelta(days=365))
    end = date_to or (parse(permitted["to"]) if permitted else now())
    transfer.asked = {
        "consent": {"id": artefact_id},
        "dateRange": {"from": timestamp(start), "to": timestamp(end)},
        "dataPushUrl": push_url or simulator.config.public_url.rstrip("/") + transfer.push_path,
        "keyMaterial": key_material
        or refcrypto.key_material(keys, key_form, now() + timedelta(days=1)),
    }
    data_flow.forward(simulator, transfer)
    return transfer


def receive_page(
    simulator: Simulator, path: str, headers: dict[str, str], raw: bytes
) -> tuple[int, Any]:
    """One POST to a dataPushUrl: (status, body)."""
    with simulator.state.changed:
        transfer = next(
            (t for t in simulator.state.transfers.values() if t.push_path == path), None
        )
    if transfer is None or transfer.keys is None:
        return 404, refusal("4500", "Unknown error", shape="flat").body()
    bearer = headers.get("AUTHORIZATION", "").removeprefix("Bearer ")
    if simulator.config.push_needs_bearer and not simulator.realm.client_of(bearer):
        return 401, refusal("900901", shape="flat").body()
    try:
        page = json.loads(raw)
    except ValueError:
        page = None
    if not isinstance(page, dict) or schemas.problems("HealthInformationPush", page):
        wrong = schemas.problems("HealthInformationPush", page)
        _note(simulator, transfer, f"a pushed page is malformed: {'; '.join(wrong)}")
        return 400, refusal("ABDM-1031", shape="flat").body()
    if page["transactionId"].lower() != transfer.id:
        _note(simulator, transfer, "a page names another transaction")
        return 400, refusal("ABDM-1031", shape="flat").body()
    _accept(simulator, transfer, transfer.keys, page, raw, bool(bearer))
    return 202, None


def _accept(
    simulator: Simulator,
    transfer: Transfer,
    keys: KeyPair,
    page: dict[str, Any],
    raw: bytes,
    bearer: bool,
) -> None:
    digest = hashlib.sha256(raw).digest()
    errors = [
        f"page {page['pageNumber']}: {problem}"
        for problem in schemas.problems("HealthInformationPushStrict", page)
    ]
    documents: list[Document] = []
    with simulator.state.changed:
        repeated = digest in transfer.page_digests
        transfer.page_digests.add(digest)
    if not repeated:
        documents, more = _open_page(simulator, keys, page)
        errors += more
    with simulator.state.changed:
        artefact = simulator.state.artefacts.get(transfer.artefact_id)
        if artefact is not None and artefact.status != "GRANTED":
            state = artefact.status
            errors.append(f"page {page['pageNumber']} came although the consent is {state}")
        transfer.pages.append(
            Page(
                page["pageNumber"],
                page["pageCount"],
                [entry["careContextReference"] for entry in page["entries"]],
                now(),
                repeated,
                bearer,
            )
        )
        transfer.documents += documents
        transfer.errors += errors
        simulator.state.changed.notify_all()


def _open_page(
    simulator: Simulator, keys: KeyPair, page: dict[str, Any]
) -> tuple[list[Document], list[str]]:
    number, material = page["pageNumber"], page["keyMaterial"]
    errors: list[str] = []
    with simulator.state.changed:
        fingerprint = material["dhPublicKey"]["keyValue"] + material["nonce"]
        if fingerprint in simulator.state.seen_key_material:
            errors.append(f"page {number}: key and nonce were used for an earlier page")
        simulator.state.seen_key_material.add(fingerprint)
    documents: list[Document] = []
    for entry in page["entries"]:
        try:
            peer = refcrypto.decode_point(material["dhPublicKey"]["keyValue"])
            nonce = refcrypto.decode_nonce(material["nonce"])
            content = refcrypto.decrypt(keys, peer, nonce, entry.get("content", ""))
        except KeyAgreementError as error:
            errors.append(f"page {number}: {error}")
            continue
        matches = checksum_matches(content, entry["checksum"])
        if matches is False:
            errors.append(f"page {number}: the checksum is not that of the plaintext")
        documents.append(Document(entry["careContextReference"], content, matches, number))
    return documents, errors


def checksum_matches(content: bytes, checksum: str) -> bool | None:
    """Whether `checksum` is the MD5 of `content`, in hex or base64; None if it is no MD5."""
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    if len(checksum) == 32:
        return checksum.lower() == digest.hex()
    if len(checksum) == 24 and checksum.endswith("=="):
        return checksum == base64.b64encode(digest).decode()
    return None


def _note(simulator: Simulator, transfer: Transfer, error: str) -> None:
    with simulator.state.changed:
        transfer.errors.append(error)
        simulator.state.changed.notify_all()


def status_of(transfer: Transfer) -> str:
    """REQUESTED, REFUSED, ACKNOWLEDGED, TRANSFERRED or FAILED, from what has arrived."""
    if transfer.hip_notification is not None:
        return str(transfer.hip_notification["statusNotification"]["sessionStatus"])
    if transfer.on_request is None:
        return "REQUESTED"
    return "REFUSED" if transfer.on_request.get("error") else "ACKNOWLEDGED"
