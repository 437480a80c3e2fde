"""Whatever arrives, splitting it never fails, loses nothing and keeps what it promises."""

from __future__ import annotations

import base64
import json
import time
import tracemalloc
from collections import Counter
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance import sources
from mappings import build_documents, group_by_root, hi_types, to_bytes
from mappings.documents import DOCUMENT_TYPES
from mappings.received import CODES, ReceivedDocument, split_received
from mappings.received.elements import RESOURCE_TYPES, STEERING_TYPES
from mappings.resources import Resource, key
from mappings.systems import SECURITY_ARTEFACT, TAG, TAG_RECEIVED
from tests.unit.mappings.received import COMPOSITION, bundle, one, origin, res, split

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["Patient/1", "#x", "urn:uuid:1", "2026-02-30", "<div>x", "Patient?x=1"])
)
KNOWN = """id meta text div name given _given reference subject extension valueString url contained
    resourceType tag code system source identifier value data content attachment"""
NAMES = st.text(max_size=5) | st.sampled_from(KNOWN.split())
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=25,
)
KINDS = st.sampled_from(["Patient", "Observation", "Composition", "Binary", "Bundle", "Basic", "X"])
RESOURCES = st.builds(
    lambda kind, content: {**content, "resourceType": kind},
    KINDS,
    st.dictionaries(NAMES, JSON, max_size=6),
)
ENTRIES = st.builds(
    lambda url, resource: {"fullUrl": url, "resource": resource},
    st.sampled_from(["", "Patient/1", "urn:uuid:1", "http://h/Patient/1", 5, None]),
    RESOURCES,
)
BUNDLES = st.lists(ENTRIES | JSON, max_size=5).map(
    lambda entries: {"resourceType": "Bundle", "type": "document", "entry": entries}
)
MANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@cache
def clean_documents() -> tuple[bytes, ...]:
    """Some documents of each HI type, from the demo hospital's care contexts."""
    (batch,) = sources.demo()
    found: dict[str, list[bytes]] = {}
    for records in group_by_root(list(batch.resources)):
        for hi_type in hi_types(records):
            built = found.setdefault(hi_type, [])
            if len(built) < 5:
                built += [to_bytes(each) for each in build_documents(hi_type, records)]
    return tuple(each for built in found.values() for each in built)


def literal_references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [r for each in value for r in literal_references(each)]
    if not isinstance(value, dict):
        return []
    own = [value["reference"]] if isinstance(value.get("reference"), str) else []
    return own + [r for each in value.values() for r in literal_references(each)]


def check(content: bytes, document: ReceivedDocument) -> None:
    """What holds for every result."""
    assert base64.b64decode(document.binary["data"]) == content
    keys = [key(r) for r in (*document.resources, document.binary)]
    assert len(set(keys)) == len(keys)
    for each in (*document.resources, document.binary):
        assert each["id"].startswith("rcv-")
        assert len(each["id"]) == 44
        assert each["meta"]["source"] == f"urn:abdm:hip:{origin().hip_id}"
        assert {"system": TAG, "code": TAG_RECEIVED} in each["meta"]["tag"]
        consent = {"system": SECURITY_ARTEFACT, "code": origin().artefact_id}
        assert consent in each["meta"]["security"]
    for each in document.resources:
        assert each["resourceType"] in RESOURCE_TYPES - STEERING_TYPES
        for reference in literal_references(each):
            assert reference.startswith("#") or reference in keys
    assert {flag.code for flag in document.flags} <= set(CODES)
    json.dumps(document.resources, allow_nan=False, ensure_ascii=False).encode()
    assert split_received(content, origin()) == document


@MANY
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_kept(content: bytes) -> None:
    check(content, split_received(content, origin()))


@MANY
@given(JSON | RESOURCES | BUNDLES)
def test_any_json_is_split(value: Any) -> None:
    content = json.dumps(value).encode()
    check(content, split_received(content, origin()))


@MANY
@given(st.lists(RESOURCES, max_size=6))
def test_every_resource_is_stored_or_its_absence_is_told(resources: list[Resource]) -> None:
    document = split({**bundle(), "entry": [{"resource": r} for r in resources]})
    told = Counter(flag.code for flag in document.flags)
    absent = ("duplicate-entry", "unknown-resource-type", "nested-bundle")
    assert len(document.resources) + sum(told[code] for code in absent) >= len(resources)
    if not any(told[code] for code in absent):
        assert len(document.resources) == len(resources)


@settings(MANY, max_examples=200)
@given(st.data())
def test_a_damaged_document_is_split_as_far_as_it_goes(data: st.DataObject) -> None:
    document = json.loads(data.draw(st.sampled_from(clean_documents())))
    for _ in range(data.draw(st.integers(1, 4))):
        _damage(document, data)
    content = json.dumps(document).encode()
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    check(content, split_received(content, origin()))


def _damage(document: Any, data: st.DataObject) -> None:
    """Replace one value somewhere inside by anything."""
    place = document
    while True:
        names = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not names:
            return
        name = data.draw(st.sampled_from(names))
        deeper = place[name]
        if not isinstance(deeper, dict | list) or not deeper or data.draw(st.integers(0, 5)) == 0:
            place[name] = data.draw(JSON)
            return
        place = deeper


def test_a_clean_document_is_split_without_a_flag_and_without_a_change() -> None:
    """Apart from ids, references, labels and what the server sets."""
    documents = clean_documents()
    assert len(documents) > 20
    for content in documents:
        found = split_received(content, origin())
        assert found.flags == ()
        assert found.hi_type is not None
        entries = json.loads(content)["entry"]
        new = {e["fullUrl"]: key(r) for e, r in zip(entries, found.resources, strict=True)}
        for entry, resource in zip(entries, found.resources, strict=True):
            expected = _renamed(entry["resource"], new)
            for each in (expected, resource):
                each.pop("id")
                each["meta"] = {"profile": each["meta"].get("profile")}
            assert resource == expected


def _renamed(value: Any, new: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(each, new) for each in value]
    if not isinstance(value, dict):
        return value
    names = ("reference", "url")
    return {
        k: new.get(v, v) if k in names and isinstance(v, str) else _renamed(v, new)
        for k, v in value.items()
    }


def test_the_hi_type_is_told_by_every_document_of_the_demo_hospital() -> None:
    found = {split_received(each, origin()).hi_type for each in clean_documents()}
    assert found == set(DOCUMENT_TYPES)


def _with_scan(size: int) -> bytes:
    scan = base64.b64encode(bytes(range(256)) * (size // 256)).decode()
    attachment = {"contentType": "application/pdf", "data": scan}
    file = res("DocumentReference", "d", status="current", content=[{"attachment": attachment}])
    return json.dumps(bundle(COMPOSITION, file)).encode()


def test_a_document_of_thirteen_megabytes_is_split_in_less_than_a_second() -> None:
    content = _with_scan(10_000_000)
    started = time.process_time()
    document = split_received(content, origin())
    assert time.process_time() - started < 1
    assert document.flags == ()


def test_a_scan_is_neither_copied_nor_kept_twice() -> None:
    content = _with_scan(10_000_000)
    tracemalloc.start()
    document = split_received(content, origin())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert one(document, "DocumentReference")
    assert len(content) + peak < 4 * len(content)


def _narrative(div: str) -> Any:
    return bundle(res("Patient", "1", text={"status": "generated", "div": div}))


# Megabytes that a careless pattern would go over again and again.
@pytest.mark.parametrize(
    "value",
    [
        _narrative("<script" * 200_000),
        _narrative("<div>" + "<" * 2_000_000),
        _narrative("<div>" + "&a" * 1_000_000),
        _narrative("<div>" * 400_000),
        bundle(res("Binary", "1", data=" " * 2_000_000 + "!")),
        bundle(res("Binary", "1", data="A" * 2_000_000 + "!")),
        bundle(res("Observation", "1", valueQuantity={"value": "1" * 2_000_000})),
        bundle(res("Observation", "1", effectiveDateTime=" " * 2_000_000 + "2026")),
        bundle(res("Observation", "1" * 2_000_000, subject={"reference": "A" * 2_000_000})),
        bundle(res("Observation", "1", subject={"reference": "/_history" * 200_000})),
        bundle(*[res("Patient", "1", language=str(n)) for n in range(4000)]),
    ],
    ids=[
        "scripts",
        "angles",
        "entities",
        "deep",
        "spaces",
        "base64",
        "digits",
        "padding",
        "names",
        "versions",
        "conflicts",
    ],
)
def test_no_content_takes_long(value: Any) -> None:
    started = time.process_time()
    assert split(value).flags
    assert time.process_time() - started < 5
