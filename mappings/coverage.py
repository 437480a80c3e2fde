"""What became of each field of a HIMS entity: mapped, kept as words, dropped and why; and what each
document type would still need.

Nothing here is claimed, all is measured: a field was mapped if the resources differ without it, it
was kept as words if words without a code vanish with it, and dropped if nothing changes. So the
report can't fall behind the mappings. It names fields and never values. Pure.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import tzinfo
from importlib.resources import files
from typing import Any

from pydantic import BaseModel

from mappings import hims
from mappings.entities import to_fhir
from mappings.hims.fields import NESTED, identifier
from mappings.needs import needs_of
from mappings.resources import Resource, as_list

_SENTENCES: dict[str, dict[str, str]] = tomllib.loads(
    (files(__package__) / "dropped.toml").read_text(encoding="utf-8")
)
_AS_WORDS = "has no code that is certain, so it is kept in the hospital's words"
_SAID_ALREADY = "another field says it already"
_NO_EFFECT = "says nothing that has a certain place in a record, or another field says it already"
# Parts of lists and objects that are looked at singly; what is beyond them counts by its field.
_MOST_TRIES = 300
# What an entity is about, with which a field is tried alone.
_BASIC = frozenset({"id", "facility", "patient", "consultation", *NESTED})
# Keys of nested objects that name them in the HIMS and tell nothing more.
_KEYS = frozenset({"id", "external_id", "username"})
# Longer texts (files in base64) are shortened while fields are tried: same effect, less work.
_LONG = 4096

# Elements that hold a CodeableConcept with a code, where a code is known.
_CONCEPTS = frozenset(
    {
        "admitSource",
        "asNeededCodeableConcept",
        "bodySite",
        "category",
        "code",
        "conclusionCode",
        "dischargeDisposition",
        "forecastStatus",
        "form",
        "interpretation",
        "itemCodeableConcept",
        "manifestation",
        "medicationCodeableConcept",
        "outcome",
        "productCodeableConcept",
        "reasonCode",
        "route",
        "site",
        "specialty",
        "statusReason",
        "targetDisease",
        "type",
        "vaccineCode",
        "valueCodeableConcept",
    }
)


@dataclass(frozen=True)
class Note:
    """A field (dotted, list items by number) and a sentence about it; no value."""

    field: str
    reason: str


@dataclass(frozen=True)
class Coverage:
    """What became of one entity. `needs`: HI type ("*": every one) -> sentences."""

    kind: str
    id: str | None
    mapped: tuple[str, ...] = ()
    kept_as_text: tuple[Note, ...] = ()
    dropped: tuple[Note, ...] = ()
    needs: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Mapped:
    """The resources of one entity, and what became of its fields."""

    resources: list[Resource]
    coverage: Coverage


def to_fhir_with_coverage(
    kind: str, entity: Mapping[str, Any], zone: tzinfo = hims.TIMEZONE
) -> Mapped:
    """As `mappings.to_fhir`, with what became of each field.

    It maps the entity once more for each field that has something to say: some milliseconds.

    Raises: `mappings.hims.EntityInvalid` (field and sentence for each fault).
    """
    resources = to_fhir(kind, entity, zone)
    light = _shortened(dict(entity))
    tried = _Trial(kind, zone, light)
    for name, value in light.items():
        if _says_something(kind, name, value):
            tried.try_field(name, value)
    coverage = Coverage(
        kind=kind,
        id=_id(entity),
        mapped=tuple(tried.mapped),
        kept_as_text=tried.words(),
        dropped=tuple(tried.dropped),
        needs=needs_of(kind, resources),
    )
    return Mapped(resources, coverage)


class _Trial:
    """Maps one entity again and again without one of its parts, and notes the difference."""

    def __init__(self, kind: str, zone: tzinfo, entity: dict[str, Any]) -> None:
        self.kind, self.zone, self.entity = kind, zone, entity
        self.whole = to_fhir(kind, entity, zone)
        self.words_of_whole = _words(self.whole)
        self.tries_left = _MOST_TRIES
        self.mapped: list[str] = []
        self.dropped: list[Note] = []
        # Each text that vanished, with the fields whose absence made it vanish and their values.
        self.lost: dict[tuple[str, str], list[tuple[str, object]]] = {}

    def try_field(self, name: str, value: object) -> None:
        """Note what one field does, and what each part of a list or object does."""
        outcome = self._without((name,))
        if outcome == self.whole:
            self.dropped.append(Note(name, self._why_dropped(name, value)))
            return
        self.mapped.append(name)
        self._look_inside((name,), value, outcome)

    def words(self) -> tuple[Note, ...]:
        """The fields kept as words. A text that vanishes with several fields is the one's whose
        value it holds, if there is one (a dose's disease vanishes with the number of the dose)."""
        found: dict[str, None] = {}
        for (_, text), candidates in self.lost.items():
            own = [n for n, v in candidates if isinstance(v, str | int) and str(v) in text]
            found |= dict.fromkeys(own or [n for n, _ in candidates])
        return tuple(Note(name, _AS_WORDS) for name in found)

    def _look_inside(
        self, path: tuple[str | int, ...], value: object, outcome: list[Resource] | None
    ) -> None:
        parts = _parts(value)
        if parts and len(parts) <= self.tries_left:
            self.tries_left -= len(parts)
            for step, each in parts:
                self._try_part((*path, step), each)
        elif outcome is not None:
            dotted = ".".join(map(str, path))
            for lost in self.words_of_whole - _words(outcome):
                self.lost.setdefault(lost, []).append((dotted, value))

    def _try_part(self, path: tuple[str | int, ...], value: object) -> None:
        outcome = self._without(path)
        if outcome != self.whole:
            self._look_inside(path, value, outcome)
            return
        names = [str(p) for p in path if isinstance(p, str)]
        if names[-1] in _KEYS:
            return
        self.dropped.append(Note(".".join(map(str, path)), _why_part_dropped(self.kind, names)))

    def _without(self, path: tuple[str | int, ...]) -> list[Resource] | None:
        """The resources without one part; None if the entity can't do without it."""
        try:
            return to_fhir(self.kind, _removed(self.entity, path), self.zone)
        except hims.EntityInvalid:
            return None

    def _why_dropped(self, name: str, value: object) -> str:
        """A field that has an effect where it stands alone says what another one says too."""
        alone = {k: v for k, v in self.entity.items() if k in _BASIC}
        try:
            says = to_fhir(self.kind, alone | {name: value}, self.zone)
            if says != to_fhir(self.kind, alone, self.zone):
                return _SAID_ALREADY
        except hims.EntityInvalid:
            pass
        sentence = _SENTENCES.get(self.kind, {}).get(name) or _SENTENCES["*"].get(name)
        if sentence:
            return sentence
        if name in hims.KINDS[self.kind].model_fields or name.endswith("_object"):
            return _NO_EFFECT
        return f"is not a field of {self.kind.replace('_', ' ')}"


def _id(entity: Mapping[str, Any]) -> str | None:
    found = identifier(entity.get("id"))
    return found if isinstance(found, str) else None


def _shortened(value: Any) -> Any:
    """A copy without the bulk of files; base64 stays base64."""
    if isinstance(value, str) and len(value) > _LONG:
        return value[:_LONG]
    if isinstance(value, Mapping):
        return {k: _shortened(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(v) for v in value]
    return value


def _says_something(kind: str, name: str, value: object) -> bool:
    """False for what is empty, or is what the field is anyway."""
    if value in (None, "", [], (), {}) or (isinstance(value, str) and not value.strip()):
        return False
    known = hims.KINDS[kind].model_fields.get(name)
    return known is None or known.is_required() or value != known.default


def _parts(value: object) -> list[tuple[str | int, object]]:
    """What a list or object holds, with its number or name, if it says something."""
    inside: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, Mapping):
        inside = value.items()
    elif isinstance(value, list | tuple):
        inside = enumerate(value)
    return [(step, v) for step, v in inside if v not in (None, "", [], {}) and v is not False]


def _removed(entity: Any, path: tuple[str | int, ...]) -> Any:
    """A copy of the entity without one part; everything else is shared."""
    step, rest = path[0], path[1:]
    if isinstance(entity, Mapping):
        if not rest:
            return {k: v for k, v in entity.items() if k != step}
        return {k: _removed(v, rest) if k == step else v for k, v in entity.items()}
    if not rest:
        return [v for n, v in enumerate(entity) if n != step]
    return [_removed(v, rest) if n == step else v for n, v in enumerate(entity)]


def _words(resources: Sequence[Resource]) -> Counter[tuple[str, str]]:
    """Every concept that has words and no code: where it stands, and the words."""
    found: Counter[tuple[str, str]] = Counter()
    pending: list[tuple[str, Any]] = [(r["resourceType"], r) for r in resources]
    while pending:
        path, value = pending.pop()
        name = path.rsplit(".", 1)[-1]
        if name in _CONCEPTS and "text" in value and "coding" not in value:
            found[path, value["text"]] += 1
        if name == "timing" and "repeat" in value:
            continue
        for key, inner in value.items():
            pending += [(f"{path}.{key}", v) for v in as_list(inner) if isinstance(v, dict)]
    return found


def _why_part_dropped(kind: str, names: Sequence[str]) -> str:
    if len(names) == 1:
        return _SENTENCES.get(kind, {}).get(names[0], _NO_EFFECT)
    model = _inner_model(hims.KINDS[kind], names[:-1])
    if model is not None and names[-1] not in model.model_fields:
        return f"is not a field of {names[-2]}"
    return _NO_EFFECT


def _inner_model(model: type[BaseModel] | None, names: Sequence[str]) -> type[BaseModel] | None:
    """The model of a nested part; None where there is none."""
    for name in names:
        known = model.model_fields.get(name) if model is not None else None
        model = next(_models(known.annotation), None) if known else None
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)
