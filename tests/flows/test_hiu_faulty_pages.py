"""What is wrong with a page of records is named, and stops nothing else."""

import base64
import hashlib
import json

import pytest

from tests.flows.harness import Json, Site
from tests.flows.pushing import Pushing, both_ok, verbatim
from tests.flows.received import bundle
from tests.flows.wire import BOTH

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


def broken_tag(entry: Json) -> Json:
    content = entry["content"]
    return {**entry, "content": content[:-8] + ("AAAAAAA=" if content[-8:] != "AAAAAAA=" else "B")}


UNUSABLE = {
    "wrong tag": (broken_tag, "authentication tag"),
    "no base64": (lambda e: {**e, "content": "§" * 30}, "base64"),
    "too short": (lambda e: {**e, "content": "AAAA"}, "shorter than"),
    "link": (lambda e: {**e, "content": None, "link": "https://x.example/1"}, "link"),
    "nothing": (lambda e: {**e, "content": ""}, "no content"),
    "foreign care context": (
        lambda e: {**e, "careContextReference": "visit-of-another"},
        "Nothing came",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_entry_that_cannot_be_opened_is_errored_and_stops_no_other(
    other: Pushing, case: str
) -> None:
    spoil, word = UNUSABLE[case]
    other.acknowledge()
    good = bundle()
    other.push(other.page(spoil(other.entry("visit-1", bundle())), other.entry("visit-2", good)))
    other.site.wait(15)
    session, statuses, descriptions = other.report
    assert session == "RECEIVED"
    assert {k: v for k, v in statuses.items() if k in ("visit-1", "visit-2")} == {
        "visit-1": "ERRORED",
        "visit-2": "OK",
    }
    assert word in descriptions["visit-1"]
    assert verbatim(other) == {good}


def test_a_page_for_another_key_is_failed_and_reported(other: Pushing) -> None:
    other.acknowledge()
    first = other.page(other.entry("visit-1", bundle()), other.entry("visit-2", bundle()))
    other.push(other.page(*first["entries"]))
    session, statuses, _ = other.report
    assert (session, set(statuses.values())) == ("FAILED", {"ERRORED"})
    assert other.row["state"] == "FAILED"
    assert other.found("Binary") == []


def test_an_empty_document_is_errored(other: Pushing) -> None:
    other.acknowledge()
    other.push_each(b"", bundle())
    assert other.report[1] == {"visit-1": "ERRORED", "visit-2": "OK"}
    assert "empty" in other.report[2]["visit-1"]


@pytest.mark.parametrize("material", [{"curve": "P-256"}, {"cryptoAlg": "RSA"}])
def test_key_material_of_another_kind_is_named(other: Pushing, material: Json) -> None:
    page = other.page(other.entry("visit-1", bundle()), other.entry("visit-2", bundle()))
    page["keyMaterial"] |= material
    other.push(page)
    assert other.report[0] == "FAILED"
    assert "algorithm or curve" in other.report[2]["visit-1"]


@pytest.mark.parametrize(
    ("checksum", "remark"),
    [("", False), ("string", False), ("0" * 32, True), ("AAAAAAAAAAAAAAAAAAAAAA==", True)],
)
def test_a_checksum_is_compared_only_where_it_is_one(
    site: Site, checksum: str, remark: bool
) -> None:
    other = Pushing(site, contexts=("visit-1",))
    other.grant()
    other.push(other.page(other.entry("visit-1", bundle(), checksum=checksum)))
    assert other.report[1] == {"visit-1": "OK"}
    assert ("checksum" in other.report[2]["visit-1"]) == remark
    flags = json.loads(other.documents[0]["flags"])
    assert [f["code"] for f in flags if f["code"] == "checksum-mismatch"] == (
        ["checksum-mismatch"] * remark
    )


def test_a_checksum_in_base64_is_a_checksum(site: Site) -> None:
    other = Pushing(site, contexts=("visit-1",))
    other.grant()
    content = bundle()
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    checksum = base64.b64encode(digest).decode()
    other.push(other.page(other.entry("visit-1", content, checksum=checksum)))
    assert "checksum" not in other.report[2]["visit-1"]


DIRTY = {
    "no JSON": b"%PDF-1.7 not even text \xff\xfe",
    "no FHIR": b'{"hello": "world"}',
    "a list": b"[1, 2]",
    "a collection": json.dumps({**json.loads(bundle()), "type": "collection"}).encode(),
    "a bad date": bundle().replace(b'"2026-10-01"', b'"the first of October"'),
    "an unknown type": bundle().replace(b'"Encounter"', b'"Visitation"'),
}


@pytest.mark.parametrize("case", DIRTY)
def test_what_is_no_valid_fhir_is_kept_described_and_reported_ok(other: Pushing, case: str) -> None:
    other.acknowledge()
    good = bundle()
    other.push_each(DIRTY[case], good)
    both_ok(other)
    assert len(other.report[2]["visit-1"]) > len(other.report[2]["visit-2"])
    kept = [site_bytes(other, row["id"]) for row in other.documents]
    assert set(kept) == {DIRTY[case], good}


def site_bytes(other: Pushing, document_id: str) -> bytes:
    content = other.site.adapter.fhir.verbatim(document_id)
    assert content is not None
    return bytes(content)
