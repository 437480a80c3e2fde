"""What each ABDM document type would still need of an entity, from a table of demands. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from mappings.resources import Resource, as_list

#: Kind -> rows of HI type, resource type, elements, the HIMS's field, sentence.
NEEDS: Final[dict[str, list[list[str]]]] = tomllib.loads(
    (files(__package__) / "needs.toml").read_text(encoding="utf-8")
)


def needs_of(kind: str, resources: Sequence[Resource]) -> dict[str, tuple[str, ...]]:
    """The demands that an entity's resources don't meet.

    Returns:
        HI type ("*": every one) -> sentences, each beginning with the HIMS's field. A row that
        names several elements ("a|b") is met by one of them.
    """
    found: dict[str, list[str]] = {}
    for hi_type, resource_type, elements, name, sentence in NEEDS.get(kind, ()):
        lacking = any(
            not any(_all_have(r, path.split(".")) for path in elements.split("|"))
            for r in resources
            if r["resourceType"] == resource_type
        )
        if lacking:
            found.setdefault(hi_type, []).append(f"{name}: {sentence}")
    return {hi_type: tuple(sentences) for hi_type, sentences in found.items()}


def _all_have(value: object, path: Sequence[str]) -> bool:
    """True if the element is there, in every item of each list on the way."""
    if not path:
        return value not in (None, "", [], {})
    inner = as_list(value.get(path[0])) if isinstance(value, dict) else []
    return bool(inner) and all(_all_have(i, path[1:]) for i in inner)
