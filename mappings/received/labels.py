"""Whose a received resource is, and under which consent: its meta, beside what its sender says."""

from __future__ import annotations

from typing import Any, Final

from mappings.received.flags import Flags
from mappings.received.model import Origin
from mappings.resources import Resource, as_list
from mappings.systems import (
    SECURITY_ARTEFACT,
    SOURCE_HIP,
    STATED_SOURCE,
    TAG,
    TAG_HI_TYPE,
    TAG_RECEIVED,
)

_OURS: Final = frozenset({TAG, TAG_HI_TYPE, SECURITY_ARTEFACT})
# Marks an outline of a resource; ours are whole as far as their sender told.
_SUBSETTED: Final = "SUBSETTED"


def label(resource: Resource, origin: Origin, hi_type: str | None) -> None:
    """Add source, tags and consent to a resource's meta, in place."""
    meta = resource.setdefault("meta", {})
    meta["source"] = f"{SOURCE_HIP}{origin.hip_id}"
    tags = [{"system": TAG, "code": TAG_RECEIVED}]
    if hi_type:
        tags.append({"system": TAG_HI_TYPE, "code": hi_type})
    meta["tag"] = [*tags, *meta.get("tag", [])]
    consent = {"system": SECURITY_ARTEFACT, "code": origin.artefact_id}
    meta["security"] = [consent, *meta.get("security", [])]


def without_foreign(meta: dict[str, Any], place: str, flags: Flags) -> dict[str, Any]:
    """A sender's meta as it may stand beside ours: its labels that aren't ours to be given by
    others, and its source as an extension."""
    found = dict(meta)
    source = found.pop("source", None)
    found.pop("_source", None)
    if source:
        flags.add("foreign-source", f"{place}: meta.source names a source; kept beside the HIP's.")
        stated = {"url": STATED_SOURCE, "valueUri": source}
        found["extension"] = [*as_list(found.get("extension")), stated]
    for name in ("tag", "security"):
        labels = found.pop(name, [])
        # HAPI fails on a label without a code.
        coded = [c for c in labels if c.get("code")]
        if len(coded) < len(labels):
            flags.add("invalid-value", f"{place}: meta.{name} has no code; it was taken off.")
        kept = [c for c in coded if c.get("system") not in _OURS and c["code"] != _SUBSETTED]
        if len(kept) < len(coded):
            words = f"{place}: meta.{name} isn't the sender's to give; it was taken off."
            flags.add("foreign-label", words)
        if kept:
            found[name] = kept
    return found
