"""Loads the JSON Schemas of the messages: one file per message, shared shapes in common.json.

`v3` holds the gateway's messages, `v3-m1` those of the ABHA service and the facility registry, and
`v05` the gateway's of the older generation, whose bodies hold request id and timestamp too;
`v05-bridge` is what a bridge of that generation settles beforehand: sessions, URL, services, and
`v05-deprecated` what its files still describe beside the form that took its place.

Used by the simulator, which refuses what does not fit, and by the tests. Must not know anything
about how messages travel; that is the simulator's business.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators
from referencing import Registry
from referencing.jsonschema import DRAFT202012

_HERE = Path(__file__).parent
_FOLDERS = {
    "v3": (_HERE / "v3", _HERE / "v3-m1"),
    "v0.5": (_HERE / "v05",),
    "v0.5-bridge": (_HERE / "v05-bridge",),
    "v0.5-deprecated": (_HERE / "v05-deprecated",),
}
_BASE = "https://abdm-adapter.invalid/schemas"
_COMMON = "common.json"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # JSON Schema means ECMA-262: \d is an ASCII digit and $ never matches before a line end.
    return re.compile(re.sub(r"\$$", r"\\Z", pattern), re.ASCII)


def _pattern(
    _validator: Any, pattern: str, instance: object, _schema: object
) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _compiled(pattern).search(instance):
        yield ValidationError(f"does not match {pattern}")


_Validator: type[Draft202012Validator] = validators.extend(  # type: ignore[no-untyped-call]  # untyped there
    Draft202012Validator, {"pattern": _pattern}
)


def names(generation: str = "v3") -> list[str]:
    """Names of all messages of a generation ("v3", "v0.5", "v0.5-bridge") with a schema, sorted."""
    return sorted(files(generation))


@cache
def files(generation: str = "v3") -> dict[str, Path]:
    """The schema file of each message of a generation, by the message's name."""
    found = (path for folder in _FOLDERS[generation] for path in folder.glob("*.json"))
    return {path.stem: path for path in found if path.name != _COMMON}


@cache
def _registry() -> Registry[Any]:
    resources = []
    folders = [folder for some in _FOLDERS.values() for folder in some]
    for path in [path for folder in folders for path in folder.glob("*.json")]:
        content = json.loads(path.read_text("utf-8"))
        # With $schema, jsonschema would go on with its own class and its own idea of patterns.
        del content["$schema"]
        resources.append((content["$id"], DRAFT202012.create_resource(content)))
    return Registry().with_resources(resources)


@cache
def validator(name: str, generation: str = "v3") -> Draft202012Validator:
    """The validator of the message `name`, for example "HipConsentNotify".

    Raises KeyError if there is no such message.
    """
    path = files(generation).get(name)
    if path is None:
        known = ", ".join(names(generation))
        raise KeyError(f"No schema for the message {name!r}; there are: {known}.")
    return _Validator({"$ref": f"{_BASE}/{path.parent.name}/{path.name}"}, registry=_registry())


@cache
def definition(name: str, folder: str = "v3") -> Draft202012Validator:
    """The validator of one shared shape of a folder's common.json, for example "Uuid"."""
    return _Validator({"$ref": f"{_BASE}/{folder}/{_COMMON}#/$defs/{name}"}, registry=_registry())


def problems(name: str, body: object, generation: str = "v3") -> list[str]:
    """Where `body` departs from the message `name`: "place: what is wrong"; empty if it fits.

    The texts name places and rules only, never the values found there.
    """
    found: list[str] = []
    for error in validator(name, generation).iter_errors(body):
        found += [_place(leaf) + _reason(leaf) for leaf in _leaves(error)]
    return sorted(set(found))


def _leaves(error: ValidationError) -> list[ValidationError]:
    if not error.context:
        return [error]
    return [leaf for part in error.context for leaf in _leaves(part)]


def _place(error: ValidationError) -> str:
    return "/".join(str(part) for part in error.absolute_path) + ": "


def _reason(error: ValidationError) -> str:
    if error.validator in ("required", "additionalProperties"):
        return error.message
    if error.validator == "pattern":
        return error.message
    return f"breaks the rule {error.validator} {json.dumps(error.validator_value)[:200]}"
