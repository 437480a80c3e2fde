"""Finds records by name for the patient's side, and says clearly what does not exist."""

from typing import TypeVar

from conformance.simulator.core import Simulator
from conformance.simulator.state import (
    Artefact,
    ConsentRequest,
    LinkTransaction,
    Patient,
    Transfer,
)


class PatientMistake(ValueError):
    """The patient's side asks for something that cannot be; the text says what to do."""


class NotFound(PatientMistake):
    """What was named does not exist."""


def patient_named(simulator: Simulator, address: str) -> Patient:
    """The patient with that ABHA address, or NotFound."""
    with simulator.state.changed:
        patient = simulator.state.patients.get(address)
    if patient is None:
        raise NotFound(f"There is no patient {address}; register the patient first.")
    return patient


def transaction_named(simulator: Simulator, transaction_id: str) -> LinkTransaction:
    """The linking with that transaction id, or NotFound."""
    with simulator.state.changed:
        transaction = simulator.state.link_transactions.get(transaction_id)
    if transaction is None:
        raise NotFound(f"There is no discovery with the transaction id {transaction_id}.")
    return transaction


def request_named(simulator: Simulator, request_id: str) -> ConsentRequest:
    """The consent request with that id, or NotFound."""
    with simulator.state.changed:
        request = simulator.state.consent_requests.get(request_id)
    if request is None:
        raise NotFound(f"There is no consent request {request_id}.")
    return request


def artefact_named(simulator: Simulator, artefact_id: str) -> Artefact:
    """The artefact with that id, or NotFound."""
    with simulator.state.changed:
        artefact = simulator.state.artefacts.get(artefact_id)
    if artefact is None:
        raise NotFound(f"There is no consent artefact {artefact_id}.")
    return artefact


def transfer_named(simulator: Simulator, transfer_id: str) -> Transfer:
    """The data request with that transaction id, or NotFound."""
    with simulator.state.changed:
        transfer = simulator.state.transfers.get(transfer_id)
    if transfer is None:
        raise NotFound(f"There is no data request with the transaction id {transfer_id}.")
    return transfer


Owned = TypeVar("Owned", LinkTransaction, ConsentRequest, Artefact)


def owned(record: Owned, address: str) -> Owned:
    """The record if it is that patient's, else NotFound."""
    if record.abha_address != address:
        raise NotFound(f"{address} has nothing of this name.")
    return record
