"""The sample of each kind of HIMS entity, and entities of any shape for property tests."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import conformance
from mappings import hims

_FOLDER = Path(conformance.__file__).parent / "samples" / "hims"
SAMPLES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in _FOLDER.glob("*.json")
}

_TIMES = st.one_of(
    st.datetimes().map(lambda d: d.isoformat()),
    st.datetimes().map(lambda d: d.isoformat() + "Z"),
    st.dates().map(lambda d: d.isoformat()),
    st.sampled_from(["2019", "2019-03", "", "0001-01-01T00:00:00", "1900-01-01T00:00:00"]),
)
_WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["completed", "H", "OD", "1-0-1", "500 mg", "ORAL", "2", "15", "EXP", "active", "<0.5"]
        + ["application/pdf", "JVBERi0xLjcK", "खाँसी", "A", "DD", "PRN", "x\x00\x0by", "imaging"]
    ),
)
_ANY = {
    "string": st.one_of(_WORDS, _TIMES),
    "integer": st.integers(-5, 3000),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "null": st.none(),
    "object": st.fixed_dictionaries({"id": _WORDS, "name": _WORDS}),
}


def entities(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Entities of one kind whose fields have values of the schema's types, mostly nonsense."""
    schema = hims.schema(kind)
    base = st.just({k: SAMPLES[kind][k] for k in schema["required"] if k in SAMPLES[kind]})
    return st.tuples(base, _of(schema, schema, required=False)).map(lambda p: {**p[1], **p[0]})


def _of(part: dict[str, Any], schema: dict[str, Any], *, required: bool = True) -> Any:
    if "$ref" in part:
        return _of(schema["$defs"][part["$ref"].rsplit("/", 1)[1]], schema)
    if "anyOf" in part:
        forms = part["anyOf"]
        if any(p.get("type") == "number" for p in forms):
            # A number, or CARE's decimals as text.
            return st.one_of(_ANY["number"], st.decimals(-99, 999, places=2).map(str), st.none())
        return st.one_of([_of(p, schema) for p in forms])
    kind = part.get("type", "string")
    if kind == "array":
        return st.lists(_of(part.get("items", {}), schema), max_size=2)
    if kind == "object" and "properties" in part:
        fields = {name: _of(p, schema) for name, p in part["properties"].items()}
        must = set(part.get("required", ())) if required else set()
        return st.fixed_dictionaries(
            {n: f for n, f in fields.items() if n in must},
            optional={n: f for n, f in fields.items() if n not in must},
        )
    if part.get("pattern", "").startswith("^[0-9]{4}"):
        return _TIMES
    if part.get("format") == "date":
        return st.dates().map(lambda d: d.isoformat())
    return _ANY[kind]
