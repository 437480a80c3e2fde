"""Records of another hospital when their consent ends: gone everywhere, sealed for a while."""

import hashlib

import pytest
import sqlalchemy as sa

from adapter.flows import archive
from adapter.rules.states import HiuArtefactState
from adapter.stores import db
from tests.flows.harness import Site
from tests.flows.received import Given, bundle, give
from tests.hapi_fixture import Client

pytestmark = pytest.mark.hapi

REVOKED, EXPIRED = HiuArtefactState.REVOKED, HiuArtefactState.EXPIRED


def revoke(given: Given) -> None:
    archive.note_end(given.site.adapter, given.artefact_id, REVOKED)


def traces(fhir: Client, names: list[str]) -> list[str]:
    """Each way in which the FHIR server still shows something of these resources."""
    found = []
    for name in names:
        kind, _, identity = name.partition("/")
        for path in (name, f"{name}/_history", f"{name}/_history/1"):
            if fhir.call("GET", path).status_code != 404:
                found.append(path)
        if fhir.get(f"{kind}?_id={identity}").get("entry"):
            found.append(f"search {name}")
    return found


def sealed(given: Given) -> dict[str, bytes]:
    """The archived copies of an artefact, opened, by document id."""
    adapter = given.site.adapter
    chunks: dict[str, list[bytes]] = {}
    with adapter.db.reading() as tx:
        rows = tx.execute(
            sa.select(db.archive_chunk)
            .join(db.archive, db.archive.c.id == db.archive_chunk.c.archive_id)
            .where(db.archive.c.artefact_id == given.artefact_id)
            .order_by(db.archive_chunk.c.n)
        )
        for row in rows:
            chunks.setdefault(row.archive_id, []).append(adapter.sealer.open(row.data))
    return {name: b"".join(parts) for name, parts in chunks.items()}


def test_a_revoked_consent_leaves_sealed_copies_and_nothing_in_fhir(
    site: Site, fhir: Client
) -> None:
    given = give(site, bundle(), bundle())
    assert len(traces(fhir, given.names)) == 4 * len(given.names)
    revoke(given)
    site.run()
    assert traces(fhir, given.names) == []
    assert given.row["state"] == "ARCHIVED"
    copies = sealed(given)
    assert [copies[each.document_id] for each in given.documents] == given.contents
    rows = {row["id"]: row for row in site.rows("archive")}
    for document, content in zip(given.documents, given.contents, strict=True):
        row = rows[document.document_id]
        assert (row["reason"], row["sha256"], row["size"]) == (
            "REVOKED",
            hashlib.sha256(content).hexdigest(),
            len(content),
        )
    assert site.rows("received_resource") == []
