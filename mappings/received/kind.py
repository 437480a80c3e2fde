"""Which HI type a received document is of, as its Composition says: by profile, code or text."""

from __future__ import annotations

from typing import Any, Final

from mappings.documents import DOCUMENT_TYPES
from mappings.documents.attachments import FILE_CODES
from mappings.resources import Resource, as_list, codings, concept_text
from mappings.systems import SNOMED, profile

_BY_PROFILE: Final = {profile(kind.profile): name for name, kind in DOCUMENT_TYPES.items()}
_BY_CODE: Final = {code: name for name, codes in FILE_CODES.items() for code in codes} | {
    (SNOMED, kind.code): name for name, kind in DOCUMENT_TYPES.items() if kind.code
}
_BY_TEXT: Final = {
    words.casefold(): name
    for name, kind in DOCUMENT_TYPES.items()
    for words in (kind.display, kind.title, name)
}


def hi_type_of(compositions: list[Resource]) -> str | None:
    """The HI type that the first telling Composition names; None if none does.

    Profiles, codes and texts are those that documents of the type carry, so nothing is guessed.
    A Composition with one section only may say it by that section's code.
    """
    for composition in compositions:
        sections = composition.get("section")
        only = sections[0] if isinstance(sections, list) and len(sections) == 1 else None
        found = (
            _by_profile(composition)
            or _by_code(composition.get("type"))
            or _by_text(concept_text(composition.get("type")))
            or _by_text(composition.get("title"))
            or (_by_code(only.get("code")) if isinstance(only, dict) else None)
        )
        if found:
            return found
    return None


def _by_profile(composition: Resource) -> str | None:
    meta = composition.get("meta")
    claimed = as_list(meta.get("profile")) if isinstance(meta, dict) else []
    urls = (url.split("|")[0] for url in claimed if isinstance(url, str))
    return next((_BY_PROFILE[url] for url in urls if url in _BY_PROFILE), None)


def _by_code(concept: Any) -> str | None:
    for each in codings(concept):
        system, code = each.get("system"), each.get("code")
        if isinstance(system, str) and isinstance(code, str) and (system, code) in _BY_CODE:
            return _BY_CODE[system, code]
    return None


def _by_text(words: Any) -> str | None:
    return _BY_TEXT.get(words.strip().casefold()) if isinstance(words, str) else None
