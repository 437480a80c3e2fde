"""The entries of a document: which resources a document needs, and each one's own copy.

A document refers to nothing outside itself: what the taken records refer to comes along where it
may, every other reference is cut to its words. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from typing import Any

from mappings.documents.attachments import set_apart, with_files
from mappings.documents.diagnostic_report import may_be_told as report_may_be_told
from mappings.documents.fitting import fit_type, profile_of
from mappings.documents.medications import for_document
from mappings.documents.profiles import Context, fit, lacking
from mappings.documents.repairs import repaired
from mappings.documents.visit import SHARED_TYPES, Visit
from mappings.narrative import clean, narrative
from mappings.resources import (
    Resource,
    as_list,
    is_reference,
    key,
    reference_key,
)
from mappings.systems import profile

_TAG = re.compile(r"<[^>]*>")


def closure(
    visit: Visit,
    entries: Iterable[Resource],
    authors: Iterable[str],
    without: frozenset[str],
    follows: frozenset[str],
) -> dict[str, Resource]:
    """Everything that a document holds, by `Type/id`.

    Args:
        visit: the cleaned records.
        entries: what stands in the document's sections.
        authors: `Type/id` of the authors, all of them in `visit.known`.
        without: elements of the Encounter that the document doesn't carry.
        follows: types that a reference may bring along.

    Returns:
        the patient, authors, facility and visit (if the root is one), the entries, whatever these
        refer to, and the files that are too large to stand in their records.
    """
    taken = {key(visit.patient): visit.patient}
    taken |= {name: visit.known[name] for name in authors}
    taken[key(visit.organization)] = visit.organization
    root = {k: v for k, v in visit.root.items() if k not in without}
    pending: list[str] = []
    if root["resourceType"] == "Encounter":
        taken[key(root)] = root
        # The visit brings people and places along; clinical records come through the sections only.
        pending = [n for n in sorted(visit.references(root)) if _type_of(n) in SHARED_TYPES]
    queue = list(entries)
    taken |= {key(r): r for r in queue}
    queue += [r for name, r in taken.items() if name != key(root)]
    while queue or pending:
        if queue:
            pending += sorted(visit.references(queue.pop()))
        for name in pending:
            if name in taken or name not in visit.known or _type_of(name) not in follows:
                continue
            record = _prepared(visit.known[name], visit)
            if record is not None:
                taken[name] = record
                queue.append(record)
        pending = []
    files: dict[str, Resource] = {}
    for name, record in taken.items():
        taken[name], binaries = set_apart(record, visit.inline_limit)
        files |= {key(b): b for b in binaries}
    return taken | files


def _prepared(record: Resource, visit: Visit) -> Resource | None:
    """A record that comes along by a reference, as its profile wants it; None if it can't."""
    if lacking(record):
        return None
    if record["resourceType"] in ("MedicationRequest", "MedicationStatement"):
        return for_document(record, visit)
    if record["resourceType"] == "DiagnosticReport" and not report_may_be_told(record):
        return None
    if record["resourceType"] in ("DiagnosticReport", "DocumentReference", "Media"):
        return with_files(record, visit)
    return record


def _type_of(name: str) -> str:
    return name.split("/", 1)[0]


def entry(
    record: Resource,
    name: str,
    urls: Mapping[str, str],
    labels: Mapping[str, str],
    context: Context,
    profile_name: str = "",
) -> Resource:
    """One record as an entry of `Bundle.entry`: an own copy that refers to nothing outside.

    Args:
        record: as the server returned it; not changed.
        name: its `Type/id`.
        urls: `Type/id` -> `urn:uuid:...` of everything in the document.
        labels: `Type/id` -> what to call it in `Reference.display`.
        context: what a record may take over from the visit.
        profile_name: the NRCeS profile that the record's section asks for; "" its type's own.
    """
    kind = record["resourceType"]
    resource: Resource = {"resourceType": kind, "id": urls[name].removeprefix("urn:uuid:")}
    meta = record.get("meta") or {}
    resource["meta"] = {k: meta[k] for k in ("versionId", "lastUpdated") if meta.get(k)}
    claimed = profile_name or profile_of(record)
    if claimed:
        resource["meta"]["profile"] = [profile(claimed)]
    if not resource["meta"]:
        del resource["meta"]
    if kind != "Binary":
        resource["text"] = {}
    for element, value in record.items():
        if element not in ("resourceType", "id", "meta", "text"):
            resource[element] = _rewrite(value, urls, labels)
    fit(resource, context, record_id=str(record["id"]))
    for contained in as_list(resource.get("contained")):
        fit(contained, context, record_id=str(contained.get("id", "")))
    fit_type(resource, context, profile_name or claimed)
    if kind != "Binary":
        resource["text"] = _with_own_words(narrative(resource), record.get("text"))
    _drop_unused_contained(resource)
    return {"fullUrl": urls[name], "resource": resource}


def _rewrite(value: Any, urls: Mapping[str, str], labels: Mapping[str, str]) -> Any:
    """A copy with every reference pointing into the document, or cut to its words."""
    if isinstance(value, dict):
        if is_reference(value):
            return _reference(value, urls, labels)
        if "system" in value or "end" in value:
            value = repaired(value)
        elif "contentType" in value and value.get("url") in urls:
            value = {**value, "url": urls[value["url"]]}
        return {
            k: _rewrite(v, urls, labels) if isinstance(v, dict | list) else v
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_rewrite(v, urls, labels) for v in value]
    return value


def _reference(
    value: dict[str, Any], urls: Mapping[str, str], labels: Mapping[str, str]
) -> dict[str, Any]:
    if value["reference"].startswith("#"):
        return {"display": "contained", **value}
    name = reference_key(value)
    kept = {k: v for k, v in value.items() if k != "reference"}
    if name is not None and name in urls:
        return {"reference": urls[name], **kept, "display": value.get("display") or labels[name]}
    if not kept.get("display"):
        # The record isn't part of this document; its type is all that can be said of it.
        kept["display"] = value.get("type") or (_type_of(name) if name else "Not available here")
    return kept


def _drop_unused_contained(resource: Resource) -> None:
    """FHIR forbids contained resources that nothing refers to (dom-3)."""
    contained = as_list(resource.get("contained"))
    if not contained:
        return
    used = frozenset(_local_references(resource))
    kept = [c for c in contained if f"#{c.get('id')}" in used]
    if kept:
        resource["contained"] = kept
    else:
        del resource["contained"]


def _local_references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str) and reference.startswith("#"):
            yield reference
        for item in value.values():
            yield from _local_references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _local_references(item)


def _with_own_words(generated: dict[str, str], own: object) -> dict[str, str]:
    """Our narrative, with what the hospital wrote there beyond the data (status additional)."""
    if not isinstance(own, dict) or own.get("status") != "additional" or not own.get("div"):
        return generated
    words = plain_text(str(own["div"]))
    if not words:
        return generated
    opened = generated["div"].removesuffix("</div>")
    return {"status": "additional", "div": f"{opened}<p>{clean(words)}</p></div>"}


def plain_text(xhtml: str) -> str:
    """The words of an XHTML fragment, without its markup."""
    return unescape(_TAG.sub(" ", xhtml)).strip()
