"""Pages of records, in every form in which peers push them, are taken in and reported."""

import base64
import hashlib
import json
import uuid
from typing import Any

import pytest

from conformance import schemas
from tests.flows.harness import NOTIFY, Json, Site
from tests.flows.pushing import Pushing, both_ok, verbatim
from tests.flows.received import bundle
from tests.flows.wire import BOTH

pytestmark = pytest.mark.hapi
GENERATIONS = BOTH


def test_each_page_is_stored_as_sourced_resources_and_reported(other: Pushing) -> None:
    first, second = bundle(), bundle(3)
    other.acknowledge()
    other.push_each(first, second)
    both_ok(other)
    assert verbatim(other) == {first, second}
    observations = other.found("Observation")
    assert len(observations) == 5
    assert {o["meta"]["source"].partition("#")[0] for o in observations} == {
        f"urn:abdm:hip:{other.hip_id}"
    }
    digests = {row["sha256"] for row in other.documents}
    assert digests == {hashlib.sha256(each).hexdigest() for each in (first, second)}
    body = other.site.outside.only(NOTIFY).body
    assert schemas.problems("DataFlowNotifyByHiu", body) == []
    assert body["notification"]["transactionId"] == other.transaction_id


def test_a_page_may_come_before_abdm_has_named_the_transaction(other: Pushing) -> None:
    other.push(other.page(other.entry("visit-1", bundle()), number=1, count=2))
    assert other.row["state"] == "RECEIVING"
    other.acknowledge()
    assert other.row["transaction_id"] == other.transaction_id
    other.push(other.page(other.entry("visit-2", bundle()), number=2, count=2))
    both_ok(other)


def one_page(other: Pushing, first: bytes, second: bytes) -> list[Json]:
    return [other.page(other.entry("visit-1", first), other.entry("visit-2", second))]


def pages_from_zero(other: Pushing, first: bytes, second: bytes) -> list[Json]:
    return [
        other.page(other.entry(context, content), number=n, count=2)
        for n, (context, content) in enumerate((("visit-1", first), ("visit-2", second)))
    ]


def pages_backwards(other: Pushing, first: bytes, second: bytes) -> list[Json]:
    return pages_from_zero(other, first, second)[::-1]


def each_as_page_one_of_one(other: Pushing, first: bytes, second: bytes) -> list[Json]:
    return [
        other.page(other.entry("visit-1", first)),
        other.page(other.entry("visit-2", second)),
    ]


def numbers_as_texts(other: Pushing, first: bytes, second: bytes) -> list[Json]:
    pages = pages_from_zero(other, first, second)
    return [{**p, "pageNumber": str(p["pageNumber"]), "pageCount": "2"} for p in pages]


FORMS = [one_page, pages_from_zero, pages_backwards, each_as_page_one_of_one, numbers_as_texts]


@pytest.mark.parametrize("form", FORMS)
def test_every_way_of_paging_is_understood(other: Pushing, form: Any) -> None:
    first, second = bundle(), bundle()
    other.acknowledge()
    pages = form(other, first, second)
    for page in pages[:-1]:
        other.push(page)
        assert other.reports == []
    other.push(pages[-1])
    both_ok(other)
    assert verbatim(other) == {first, second}


@pytest.mark.parametrize("form", ["raw", "x509-explicit", "x509-named"])
def test_every_encoding_of_the_senders_key_is_read(site: Site, form: str) -> None:
    other = Pushing(site, contexts=("visit-1",))
    other.grant()
    content = bundle(1)
    other.push(other.page(other.entry("visit-1", content), form=form))
    assert other.report[0] == "RECEIVED"
    assert verbatim(other) == {content}


def test_content_with_escaped_slashes_is_the_same_content(other: Pushing) -> None:
    first, second = bundle(), bundle(60)
    pages = each_as_page_one_of_one(other, first, second)
    for page in pages:
        raw = json.dumps(page).replace("/", "\\/").replace("=", "\\u003d").encode()
        other.push(raw)
    both_ok(other)
    assert verbatim(other) == {first, second}


def test_a_repeated_page_changes_nothing(other: Pushing) -> None:
    other.acknowledge()
    page = other.page(other.entry("visit-1", bundle()), number=1, count=2)
    other.push(page)
    before = other.found("Observation"), other.documents
    other.push(page)
    other.push(page)
    assert (other.found("Observation"), other.documents) == before
    assert len(other.site.rows("incoming_page")) == 1
    other.push(other.page(other.entry("visit-2", bundle()), number=2, count=2))
    both_ok(other)


def test_several_documents_of_one_care_context_are_all_kept(other: Pushing) -> None:
    contents = [bundle(1), bundle(1), bundle(1)]
    entries = [other.entry("visit-1", each) for each in contents]
    other.push(other.page(*entries, other.entry("visit-2", bundle(1))))
    both_ok(other)
    assert verbatim(other) >= set(contents)


def test_seven_entries_a_page_and_many_care_contexts_are_all_reported(site: Site) -> None:
    contexts = tuple(f"visit-{n}" for n in range(1, 10))
    other = Pushing(site, contexts)
    other.grant()
    other.acknowledge()
    entries = [(context, bundle(1)) for context in contexts]
    other.push(other.page(*(other.entry(*each) for each in entries[:7]), number=0, count=2))
    other.push(other.page(*(other.entry(*each) for each in entries[7:]), number=1, count=2))
    assert other.report[1] == dict.fromkeys(contexts, "OK")


def test_content_is_dropped_once_stored_and_keys_once_late_pages_are_too_late(
    other: Pushing,
) -> None:
    other.acknowledge()
    other.push_each(bundle(), bundle())
    assert other.site.rows("incoming_chunk") == []
    assert {row["frame"] for row in other.site.rows("incoming_page")} == {None}
    assert other.row["keys"] is not None
    other.site.clock.advance(minutes=29)
    late = other.page(other.entry("visit-1", bundle()))
    other.push(late)
    other.site.clock.advance(minutes=1)
    other.site.run()
    assert other.row["keys"] is None
    assert other.row["done_at"] is not None
    assert other.send(late).status_code == 410
    assert len(other.reports) == 1


def test_a_large_page_is_spooled_and_stored_byte_for_byte(site: Site) -> None:
    other = Pushing(site, contexts=("visit-1",))
    other.grant()
    scan = base64.b64encode(uuid.uuid4().bytes * (1536 * 1024)).decode()
    content = json.dumps(
        {
            "resourceType": "Bundle",
            "id": str(uuid.uuid4()),
            "type": "document",
            "entry": [
                {
                    "fullUrl": "urn:uuid:" + str(uuid.uuid4()),
                    "resource": {
                        "resourceType": "DocumentReference",
                        "status": "current",
                        "content": [
                            {"attachment": {"contentType": "application/pdf", "data": scan}}
                        ],
                    },
                }
            ],
        }
    ).encode()
    page = json.dumps(other.page(other.entry("visit-1", content))).encode()
    assert len(page) > 40_000_000
    other.push(page)
    assert other.report[0] == "RECEIVED", other.report
    (row,) = other.documents
    assert row["sha256"] == hashlib.sha256(content).hexdigest()
    assert site.adapter.fhir.verbatim(row["id"]) == content
