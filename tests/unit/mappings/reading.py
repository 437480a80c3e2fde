"""Building documents of sample records, and reading what is in them."""

from mappings import build_documents, group_by_root
from mappings.ids import document_uuid
from tests.unit.mappings.samples import organization

SCOPE = "IN0710000123"


def context_of(resources):
    (found,) = group_by_root(resources, organization=organization())
    return found


def documents_of(hi_type, resources):
    return build_documents(hi_type, context_of(resources))


def composition_of(bundle):
    return bundle["entry"][0]["resource"]


def sections_of(bundle):
    return {
        s["title"]: [e["display"] for e in s.get("entry", ())]
        for s in composition_of(bundle)["section"]
    }


def entries_of(bundle, kind):
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def entry_of(bundle, name):
    wanted = document_uuid(SCOPE, name)
    (found,) = [e["resource"] for e in bundle["entry"] if e["resource"]["id"] == wanted]
    return found
