"""One received document into FHIR: noted in SQL, written, then settled.

    note    one transaction: the artefact is GRANTED; which resources will be written
    write   one FHIR transaction: verbatim Binary, resources, Provenance
    settle  one transaction: the artefact is still GRANTED; the entry is STORED

Should the artefact end between note and settle, what was written is taken back at once (and again
by archiving, which waits for our lease). A document that the server refuses as a whole is written
piece by piece: the Binary in any case, then what it takes; the rest is named in the outcome. All of
it can be repeated: ids are derived, and a document sent again replaces itself.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import structlog

from adapter import metrics
from adapter.flows import archive
from adapter.protocol.errors import FhirError, FhirRejected, FhirUnavailable, FhirUncertain
from adapter.rules.states import IncomingEntryState
from adapter.runtime import Adapter
from adapter.stores import incoming, incoming_pages, received
from adapter.stores.incoming import Incoming
from adapter.stores.incoming_pages import Entry
from adapter.stores.received import Document
from mappings.received import Origin, ReceivedDocument, provenance, provenance_id
from mappings.resources import is_reference, key, reference_key, references

log = structlog.get_logger(__name__)

#: A document at which the server fails so often is written piece by piece.
MOST_TRIES = 4
REFUSED = "refused-by-server"
CHECKSUM = "checksum-mismatch"
_OMITTED = "A record that the FHIR server did not take"

Resource = dict[str, Any]


class ConsentEnded(Exception):
    """The artefact has ended: nothing more is stored under it."""


def store(
    adapter: Adapter,
    row: Incoming,
    entry: Entry,
    document: ReceivedDocument,
    origin: Origin,
    remark: str | None,
) -> None:
    """Store one document and settle its entry. `remark`: what is wrong with how it arrived.

    Raises ConsentEnded, FhirUnavailable (again later), FhirUncertain (perhaps it was done).
    """
    names = [key(document.binary), *(key(each) for each in document.resources)]
    names.append(f"Provenance/{provenance_id(document.document_id)}")
    lacking = _note(adapter, row, document, names, origin)
    try:
        refused = _write(adapter, entry, document, origin)
    except FhirRejected as error:
        _errored(adapter, entry, f"The FHIR server does not take the document at all. {error}")
        return
    except FhirUnavailable as error:
        with adapter.db.transaction() as tx:
            incoming_pages.count_attempt(tx, entry, str(error))
        raise
    if lacking:
        adapter.fhir.erase(lacking)
    flags = _flags(document, refused, remark)
    count = len(document.resources) - len(refused)
    with adapter.db.transaction() as tx:
        kept = incoming.may_be_kept(tx, row.artefact_id)
        if kept:
            received.stored(tx, document.document_id, adapter.clock(), count, flags)
            incoming_pages.settle_entry(
                tx,
                entry,
                IncomingEntryState.STORED,
                document_id=document.document_id,
                sentence=" ".join(flag["sentence"] for flag in flags) or None,
            )
    if not kept:
        _take_back(adapter, row, names)
        raise ConsentEnded
    metrics.DOCUMENTS.labels("flagged" if flags else "stored").inc()


def _note(
    adapter: Adapter, row: Incoming, document: ReceivedDocument, names: list[str], origin: Origin
) -> list[str]:
    """Note what will be written; returns what an earlier version of the document left besides."""
    noted = Document(
        id=document.document_id,
        artefact_id=row.artefact_id,
        incoming_id=row.id,
        transaction_id=origin.transaction_id,
        hip_id=row.hip_id,
        patient_id=row.patient_id,
        care_context=origin.care_context,
        hi_type=document.hi_type,
        sha256=document.sha256,
        size=document.size,
        received_at=origin.received_at,
    )
    with adapter.db.transaction() as tx:
        if not incoming.may_be_kept(tx, row.artefact_id):
            raise ConsentEnded
        return received.note(tx, adapter, noted, names)


def _write(
    adapter: Adapter, entry: Entry, document: ReceivedDocument, origin: Origin
) -> dict[str, str]:
    """Write a document; what the server refused of it, by key, with its reason.

    Raises FhirRejected where not even its bytes are taken, FhirUnavailable.
    """
    whole = provenance(document, origin, (key(each) for each in document.resources))
    if entry.attempts < MOST_TRIES:
        try:
            adapter.fhir.transaction([document.binary, *document.resources, whole])
        except FhirRejected:
            log.info("document refused as a whole", document_id=document.document_id)
        else:
            return {}
    return _piece_by_piece(adapter, document, origin)


def _piece_by_piece(adapter: Adapter, document: ReceivedDocument, origin: Origin) -> dict[str, str]:
    adapter.fhir.put(document.binary)
    refused = _put_each(adapter, document.resources)
    if refused:
        # What points at one that came after it may have been refused for that alone.
        refused = _put_each(adapter, [e for e in document.resources if key(e) in refused])
    kept = [each for each in document.resources if key(each) not in refused]
    for each in kept:
        if not refused.keys().isdisjoint(references(each)):
            adapter.fhir.put(_without(each, refused.keys()))
    if refused:
        # In their place the server may have made empty ones for others to point at.
        adapter.fhir.erase(refused)
    adapter.fhir.put(provenance(document, origin, map(key, kept)))
    return refused


def _put_each(adapter: Adapter, resources: Iterable[Resource]) -> dict[str, str]:
    refused = {}
    for each in resources:
        try:
            adapter.fhir.put(each)
        except FhirRejected as error:
            refused[key(each)] = str(error)
        except FhirUncertain:
            raise
        except FhirUnavailable as error:
            adapter.fhir.ping()  # only at this resource does the server fail
            refused[key(each)] = str(error)
    return refused


def _without(value: Any, gone: Iterable[str]) -> Any:
    """A copy in which references to `gone` are only text."""
    names = frozenset(gone)
    if isinstance(value, list):
        return [_without(each, names) for each in value]
    if not isinstance(value, dict):
        return copy.copy(value)
    if is_reference(value) and reference_key(value.get("reference")) in names:
        return {"display": value.get("display") or _OMITTED}
    return {name: _without(each, names) for name, each in value.items()}


def _flags(
    document: ReceivedDocument, refused: dict[str, str], remark: str | None
) -> list[dict[str, str]]:
    flags = [{"code": flag.code, "sentence": flag.sentence} for flag in document.flags]
    if remark:
        flags.insert(0, {"code": CHECKSUM, "sentence": remark})
    for name, reason in refused.items():
        kind = name.partition("/")[0]
        flags.append({"code": REFUSED, "sentence": f"One {kind} could not be stored. {reason}"})
    return flags


def _take_back(adapter: Adapter, row: Incoming, names: list[str]) -> None:
    try:
        archive.purge(adapter, row.artefact_id, names)
    except FhirError as error:
        # Archiving deletes the same, as often as it takes.
        log.warning("could not take back a late write", incoming_id=row.id, error=str(error))


def _errored(adapter: Adapter, entry: Entry, sentence: str) -> None:
    metrics.DOCUMENTS.labels("errored").inc()
    with adapter.db.transaction() as tx:
        incoming_pages.settle_entry(tx, entry, IncomingEntryState.ERRORED, sentence=sentence)
