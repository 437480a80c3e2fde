"""What each resource of a received document is called here, and what its references mean.

Ids derive from where a document came from and what its sender calls its resources: sent again, a
document replaces itself; and two that call their patients alike don't mix. Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from dataclasses import dataclass

from mappings.received.entries import Part
from mappings.received.flags import Flags
from mappings.received.model import Origin

_HISTORY = re.compile(r"/_history/[^/]*\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[^/?#]+\Z")


def derived_id(prefix: str, *names: str) -> str:
    """`<prefix>-<40 hexadecimal digits>` of SHA-256: the same for the same names."""
    name = json.dumps(names).encode()
    return f"{prefix}-{hashlib.sha256(name).hexdigest()[:40]}"


def document_names(origin: Origin, key: str, apart: str) -> tuple[str, ...]:
    """What the ids of a document and of its resources derive from.

    `key`: Bundle.identifier, else Bundle.id, else the digest of the bytes. `apart`: "", or what
    tells the document from another one that its sender gave the same key.
    """
    return (origin.artefact_id, origin.hip_id, origin.care_context, key, apart)


@dataclass(frozen=True)
class Named:
    """A resource to be stored, and its id here."""

    part: Part
    new_id: str

    @property
    def key(self) -> str:
        """`Type/id` here."""
        return f"{self.part.kind}/{self.new_id}"


def name_parts(parts: list[Part], document: tuple[str, ...], flags: Flags) -> list[Named]:
    """The parts under their ids here, each resource once.

    What stands there twice with the same content counts once; what shares type and id and differs
    is kept, each under an id of its own.
    """
    alike: defaultdict[tuple[str, ...], list[Part]] = defaultdict(list)
    for part in parts:
        alike[_identity(part)].append(part)
    named = {}
    for identity, group in alike.items():
        seen: dict[str, Part] = {}
        for part in group:
            content = _digest(part) if len(group) > 1 else ""
            if content in seen:
                flags.add("duplicate-entry", f"{part.place} repeats {seen[content].place}.")
                seen[content].aliases.append(part.full_url)
                continue
            if seen and any(identity[2:]):
                first = next(iter(seen.values()))
                flags.add(
                    "conflicting-entries",
                    f"{part.place} has the identity of {first.place} and other content;"
                    " both are stored.",
                )
            same = sum(1 for each in seen.values() if each.full_url == part.full_url)
            seen[content] = part
            names = (*document, part.scope, part.kind, part.own_id, part.full_url, str(same))
            named[id(part)] = derived_id("rcv", *names)
    return [Named(part, named[id(part)]) for part in parts if id(part) in named]


def _identity(part: Part) -> tuple[str, ...]:
    return (part.scope, part.kind, part.own_id, "" if part.own_id else part.full_url)


def _digest(part: Part) -> str:
    content = json.dumps(part.resource, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


class Names:
    """Everything by which the resources of one document can be referred to."""

    def __init__(self, named: list[Named]) -> None:
        self._by_url: dict[tuple[str, str], Named] = {}
        self._by_type: defaultdict[tuple[str, str], list[Named]] = defaultdict(list)
        for each in named:
            part = each.part
            urls = [part.full_url, *part.aliases]
            if not part.full_url and part.own_id:
                urls.append(f"urn:uuid:{part.own_id}")
            for url in filter(None, urls):
                self._by_url.setdefault((part.scope, _folded(_HISTORY.sub("", url))), each)
            own = part.own_id or re.split("[/:]", part.full_url)[-1]
            if own:
                self._by_type[part.scope, f"{part.kind}/{own}"].append(each)

    def find(self, reference: str, within: Part) -> Named | None:
        """The resource that a reference in `within` leads to; None if it leads to none, or could
        lead to several.

        Looks in the Bundle that the referring resource stands in, then in the outermost one.
        A version (`/_history/2`) is ignored: a document holds each resource once.
        """
        wanted = _HISTORY.sub("", reference.strip()).lstrip("/")
        for scope in dict.fromkeys((within.scope, "")):
            found = self._by_url.get((scope, _folded(wanted)))
            if found is None and _UUID.match(wanted):
                found = self._by_url.get((scope, _folded(f"urn:uuid:{wanted}")))
            if found is None and _RELATIVE.match(wanted):
                found = self._relative(scope, wanted, within)
            if found is not None:
                return found
        return None

    def _relative(self, scope: str, wanted: str, within: Part) -> Named | None:
        """`Type/id`: on the server that the referring entry's fullUrl names (R4 bundle.html,
        "Resolving references in Bundles"), else the only one of that type and id."""
        server, _, _ = _HISTORY.sub("", within.full_url).rpartition(f"/{within.kind}/")
        if server:
            found = self._by_url.get((scope, f"{server}/{wanted}"))
            if found is not None:
                return found
        candidates = self._by_type.get((scope, wanted), [])
        # Several under one fullUrl are one resource in several states; else it would be a guess.
        if len({each.part.full_url for each in candidates}) == 1:
            return candidates[0]
        return None


def _folded(url: str) -> str:
    """UUIDs are compared without regard to case (RFC 4122, section 3)."""
    return url.lower() if url[:9].lower() == "urn:uuid:" else url
