"""User-initiated linking: the patient discovers, selects and confirms with an OTP.

The first half is what the PHR app starts, the second what the HIP answers. Source: V3 contract
6.5 and rules R1, R4, R5, R10.
"""

from datetime import timedelta
from typing import Any

from conformance import schemas
from conformance.simulator.core import Call, Reply, Simulator
from conformance.simulator.errors import NO_MAPPING, TRANSACTION_EXPIRED, Refusal, refusal
from conformance.simulator.linking import add_links, links_of
from conformance.simulator.lookups import NotFound, PatientMistake, patient_named, transaction_named
from conformance.simulator.state import LinkTransaction, new_id
from conformance.simulator.times import now, parse

# -- the patient's side ----------------------------------------------------------------------


def discover(
    simulator: Simulator, address: str, hip_id: str, unverified: list[tuple[str, str]]
) -> str:
    """Send DiscoverCareContexts; returns the transaction id."""
    patient = patient_named(simulator, address)
    verified = [{"type": "MOBILE", "value": f"+91{patient.mobile[-10:]}"}]
    if patient.abha_number:
        number = patient.abha_number
        dashed = f"{number[:2]}-{number[2:6]}-{number[6:10]}-{number[10:]}"
        verified.append({"type": "ABHA_NUMBER", "value": dashed})
    typed = [{"type": kind, "value": value} for kind, value in unverified]
    if not all(schemas.definition("Identifier").is_valid(one) for one in typed):
        raise PatientMistake("An identifier is a type such as MR and up to 255 plain characters.")
    # ABHA_ADDRESS counts as received: it is the patient's id in the message.
    kinds = ["ABHA_ADDRESS", *[identifier["type"] for identifier in verified + typed]]
    transaction = LinkTransaction(new_id(), address, hip_id, kinds, now())
    with simulator.state.changed:
        if hip_id not in simulator.state.services:
            raise NotFound(f"There is no facility {hip_id}; register it first.")
        simulator.state.link_transactions[transaction.id] = transaction
    request_id = simulator.expect("DiscoverCareContexts", transaction.id, hip_id)
    described = {
        "id": address,
        "verifiedIdentifiers": verified,
        "unverifiedIdentifiers": typed or None,
        "name": patient.name,
        "gender": patient.gender,
        "yearOfBirth": patient.year_of_birth,
    }
    body = {"transactionId": transaction.id, "patient": described}
    simulator.callbacks.send("DiscoverCareContexts", hip_id, body, request_id)
    return transaction.id


def start_linking(simulator: Simulator, transaction_id: str, references: list[str]) -> None:
    """Send LinkInit for the chosen care contexts of a discovery; none chosen means all.

    References that were not offered are sent all the same, so that a HIP can be tried.
    """
    transaction = transaction_named(simulator, transaction_id)
    with simulator.state.changed:
        offered = (transaction.discovery or {}).get("patient") or []
        selection = _selection(offered, references)
        if not selection:
            raise PatientMistake("Discover care contexts first, then choose among them.")
        transaction.selection = selection
        transaction.challenge = transaction.confirmation = None
    request_id = simulator.expect("LinkInit", transaction.id, transaction.hip_id)
    body = {
        "transactionId": transaction.id,
        "abhaAddress": transaction.abha_address,
        "patient": selection,
    }
    simulator.callbacks.send("LinkInit", transaction.hip_id, body, request_id)


def _selection(offered: list[dict[str, Any]], references: list[str]) -> list[dict[str, Any]]:
    selection = []
    known = {c["referenceNumber"] for entry in offered for c in entry["careContexts"]}
    unknown = [reference for reference in references if reference not in known]
    for entry in offered:
        chosen = [
            {"referenceNumber": context["referenceNumber"]}
            for context in entry["careContexts"]
            if not references or context["referenceNumber"] in references
        ]
        chosen += [{"referenceNumber": reference} for reference in unknown]
        unknown = []
        if chosen:
            selection.append(
                {
                    "referenceNumber": entry["referenceNumber"],
                    "careContexts": chosen,
                    "hiType": entry["hiType"],
                    "count": len(chosen),
                }
            )
    return selection


def confirm_linking(simulator: Simulator, reference: str, otp: str) -> str:
    """Send LinkConfirm with the OTP the patient typed; returns the transaction id."""
    if not (len(otp) == 6 and otp.isascii() and otp.isdigit()):
        raise PatientMistake("The code from the SMS has six digits.")
    with simulator.state.changed:
        transaction = next(
            (
                one
                for one in simulator.state.link_transactions.values()
                if ((one.challenge or {}).get("link") or {}).get("referenceNumber") == reference
            ),
            None,
        )
        if transaction is None:
            raise PatientMistake("No linking with this reference is waiting for an OTP.")
        transaction.confirmation = None
    request_id = simulator.expect("LinkConfirm", transaction.id, transaction.hip_id)
    token: str | int = int(otp) if simulator.config.otp_as_number else otp
    body = {"confirmation": {"token": token, "linkRefNumber": reference}}
    simulator.callbacks.send("LinkConfirm", transaction.hip_id, body, request_id)
    return transaction.id


# -- the HIP's answers -----------------------------------------------------------------------


def on_discover(simulator: Simulator, call: Call) -> Reply:
    """OnDiscoverRequest."""
    body = call.body
    with simulator.state.changed:
        transaction = _transaction(simulator, call)
        unmatched = refusal("ABDM-1052", why="response.requestId is not that of the discovery")
        expected = simulator.peek(call, "DiscoverCareContexts", unmatched)
        if expected.key != transaction.id:
            raise unmatched
        if not body.get("error"):
            _check_counts(body)
            unknown = set(body["matchedBy"]) - set(transaction.identifier_types)
            if unknown:
                raise refusal("ABDM-1109", why="matchedBy names an identifier never sent")
        simulator.answered(call, "DiscoverCareContexts", unmatched, refusal("ABDM-1106"))
        transaction.discovery = body
        _warn(simulator, transaction)
        simulator.state.changed.notify_all()
    return Reply()


def on_init(simulator: Simulator, call: Call) -> Reply:
    """OnLinkInitRequest."""
    body = call.body
    with simulator.state.changed:
        transaction = _transaction(simulator, call)
        unmatched = refusal("ABDM-2500", NO_MAPPING, why="response.requestId is not of a LinkInit")
        expected = simulator.peek(call, "LinkInit", unmatched)
        if expected.key != transaction.id:
            raise unmatched
        link = body.get("link")
        if link and parse(link["meta"]["communicationExpiry"]) <= now():
            raise refusal("ABDM-1110", why="communicationExpiry is already over")
        simulator.answered(call, "LinkInit", unmatched, refusal("ABDM-1107"))
        transaction.challenge = body
        simulator.state.changed.notify_all()
    return Reply()


def on_confirm(simulator: Simulator, call: Call) -> Reply:
    """OnLinkConfirmRequest: with a patient, the selected care contexts are linked."""
    body = call.body
    unmatched = refusal("ABDM-2500", NO_MAPPING, why="response.requestId is not of a LinkConfirm")
    with simulator.state.changed:
        expected = simulator.peek(call, "LinkConfirm", unmatched)
        transaction = simulator.state.link_transactions[expected.key]
        if not body.get("error"):
            _check_counts(body)
            if _pairs(body["patient"]) != _pairs(transaction.selection):
                raise refusal("ABDM-1111", why="not exactly the care contexts of the LinkInit")
        simulator.answered(call, "LinkConfirm", unmatched, refusal("ABDM-1108"))
        transaction.confirmation = body
        if not body.get("error"):
            links = links_of(transaction.abha_address, transaction.hip_id, body["patient"])
            add_links(simulator, links)
        simulator.state.changed.notify_all()
    return Reply()


def _transaction(simulator: Simulator, call: Call) -> LinkTransaction:
    transaction = simulator.state.link_transactions.get(call.body["transactionId"])
    if transaction is None:
        raise refusal("ABDM-1017")
    lifetime = timedelta(seconds=simulator.config.link_transaction_seconds)
    if now() - transaction.started_at > lifetime:
        raise refusal("ABDM-9999", TRANSACTION_EXPIRED)
    return transaction


def _check_counts(body: dict[str, Any]) -> None:
    if any(entry["count"] != len(entry["careContexts"]) for entry in body["patient"]):
        raise _count_mismatch()


def _count_mismatch() -> Refusal:
    return refusal("ABDM-1059", why="count differs from the number of care contexts")


def _pairs(entries: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {
        (entry["hiType"], entry["referenceNumber"], context["referenceNumber"])
        for entry in entries
        for context in entry["careContexts"]
    }


def _warn(simulator: Simulator, transaction: LinkTransaction) -> None:
    took = (now() - transaction.started_at).total_seconds()
    if took > simulator.config.discovery_deadline:
        transaction.warnings.append(f"on-discover took {took:.1f} s, more than the patient waits")
    offered = links_of(
        transaction.abha_address,
        transaction.hip_id,
        (transaction.discovery or {}).get("patient") or [],
    )
    if any(link.key in simulator.state.links for link in offered):
        transaction.warnings.append("on-discover offers care contexts that are already linked")
