"""One record of a document against the demands of its profile (`entries.toml`); see `checker`.

Pure; places are FHIRPath-like, messages hold no value of the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: `severity` is error or warning; `message` a sentence."""

    severity: str
    place: str
    message: str


def error(place: str, message: str) -> Finding:
    """What a profile or FHIR R4 demands."""
    return Finding("error", place, message)


def warning(place: str, message: str) -> Finding:
    """What a good document has."""
    return Finding("warning", place, message)


def elements(value: object) -> list[Any]:
    """A list as it is, one thing as a list of one, nothing as an empty list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def objects(value: object) -> list[Json]:
    """The JSON objects of `elements`; what is none is left to the validator."""
    return [each for each in elements(value) if isinstance(each, dict)]


def object_of(value: object) -> Json:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def profile_findings(
    resource: Json, name: str, place: str, profiles: Mapping[str, Json]
) -> Iterator[Finding]:
    """What a record lacks for the profile `name` of `entries.toml`."""
    wanted = profiles[name]
    if resource.get("resourceType") != wanted["type"]:
        yield error(place, f"The profile {name} is for {wanted['type']} resources.")
        return
    for path in wanted["required"]:
        yield from missing(resource, path, place)
    for path, systems in wanted.get("codings", {}).items():
        for at, concept in _at(resource, path.split("."), place):
            yield from _codings(concept, systems, at)
    values = wanted.get("values", [])
    for key in resource if values else ():
        if key.startswith("value") and key.removeprefix("value") not in values:
            yield error(f"{place}.{key}", f"The profile {name} allows no {key}.")


def missing(
    value: Json,
    path: str,
    place: str,
    *,
    from_top: bool = False,
    found: Callable[[str, str], Finding] = error,
) -> Iterator[Finding]:
    """A finding for each place where the last step of `path` is not there.

    `from_top`: the steps before it must be there too; else only those that are there count.
    """
    *parents, last = path.split(".")
    holders = list(_at(value, parents, place))
    if from_top and parents and not holders:
        yield found(f"{place}.{path}", f"{path} is missing.")
    for at, holder in holders:
        if not _has(holder, last):
            yield found(f"{at}.{last}", f"{path} is missing.")


def _at(value: Json, steps: list[str], place: str) -> Iterator[tuple[str, Json]]:
    """(place, element) of every object that a path leads to."""
    if not steps:
        yield place, value
        return
    name, *rest = steps
    many = isinstance(value.get(name), list)
    for index, each in enumerate(elements(value.get(name))):
        if isinstance(each, dict):
            yield from _at(each, rest, f"{place}.{name}[{index}]" if many else f"{place}.{name}")


def _has(value: Json, name: str) -> bool:
    """Is the element there? `x[x]` is there with any type; `_x` says why x is absent."""
    if name.endswith("[x]"):
        stem = name.removesuffix("[x]")
        return any(k.lstrip("_").startswith(stem) and value[k] not in _NOTHING for k in value)
    return value.get(name) not in _NOTHING or value.get("_" + name) not in _NOTHING


_NOTHING: tuple[Any, ...] = (None, "", [], {})


def _codings(concept: Json, systems: list[str], place: str) -> Iterator[Finding]:
    for index, coding in enumerate(objects(concept.get("coding"))):
        at = f"{place}.coding[{index}]"
        for name in ("system", "code", "display"):
            if not _has(coding, name):
                yield error(at, f"The coding has no {name}.")
        if systems and coding.get("system") and coding["system"] not in systems:
            yield error(f"{at}.system", "The profile allows no code of this system here.")
