"""Which HI type a received document is of, as its Composition says: by profile, type or text."""

from __future__ import annotations

from typing import Any, Final

from mappings.documents import DOCUMENT_TYPES
from mappings.resources import Resource, as_list, codings, concept_text
from mappings.systems import SNOMED, profile

_BY_PROFILE: Final = {profile(kind.profile): name for name, kind in DOCUMENT_TYPES.items()}
_BY_CODE: Final = {kind.code: name for name, kind in DOCUMENT_TYPES.items() if kind.code}
_BY_TEXT: Final = {
    words.casefold(): name
    for name, kind in DOCUMENT_TYPES.items()
    for words in (kind.display, kind.title, name)
}


def hi_type_of(compositions: list[Resource], _value: Any) -> str | None:
    """The HI type that the first telling Composition names; None if none does.

    Profiles are exact; of codes and texts those of NRCeS's profiles count, so nothing is guessed.
    """
    for composition in compositions:
        meta = composition.get("meta")
        claimed = as_list(meta.get("profile")) if isinstance(meta, dict) else []
        for url in claimed:
            found = _BY_PROFILE.get(url.split("|")[0]) if isinstance(url, str) else None
            if found:
                return found
        concept = composition.get("type")
        for each in codings(concept):
            if each.get("system") in (SNOMED, None) and each.get("code") in _BY_CODE:
                return _BY_CODE[each["code"]]
        for words in (concept_text(concept), composition.get("title")):
            found = _BY_TEXT.get(words.strip().casefold()) if isinstance(words, str) else None
            if found:
                return found
    return None
