"""Every FHIR read and write of the adapter, each named by what it is for.

Only this store talks to the FHIR server. Writes are PUTs on ids that can be derived again, so a
repeated step changes nothing. Reads of patients and visits give the hospital's own records, never
received ones or HAPI's placeholders. All raise FhirUnavailable (try again) or FhirRejected (our
bug or bad data); what is simply not there is None or absent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import datetime

from adapter.protocol import ids
from adapter.stores import fhir_changes, fhir_erase, fhir_visits
from adapter.stores.fhir_changes import Changes
from adapter.stores.fhir_client import PAGE, Client, NotThere
from adapter.stores.fhir_parts import Resource, chunks, is_own
from mappings import systems
from mappings.ids import is_fhir_id
from mappings.records import Records
from mappings.resources import as_list, is_received, key

#: The forms in which hospitals write an Indian mobile number, around its ten digits.
_MOBILE_FORMS = ("{}", "+91{}", "+91-{}", "+91 {}", "91{}", "0{}")

_GUIDE_PROFILE = systems.profile("OPConsultRecord")


class FhirStore:
    """One FHIR R4 server, usable by any number of threads.

    `base_url`: FHIR_BASE_URL; `token`: FHIR_TOKEN, sent as bearer token; empty sends none.
    """

    def __init__(self, base_url: str, token: str) -> None:
        self._client = Client(base_url, token)

    def within(self, seconds: float) -> FhirStore:
        """The same store for work that has to be done in so many seconds (of real time); what takes
        longer raises FhirUnavailable."""
        made = copy(self)
        made._client = self._client.within(seconds)
        return made

    # --- patients, visits, facilities -----------------------------------------------------

    def find_patients(
        self,
        *,
        abha_address: str | None = None,
        abha_number: str | None = None,
        mobile: str | None = None,
    ) -> list[Resource]:
        """Own Patients that have any of these; identifiers and telecom as HIMSs write them.

        `abha_number` dashed or not; `mobile` with or without country code. Which of several is the
        right one is for `rules.matching`.
        """
        identifiers = []
        if abha_address:
            forms = dict.fromkeys((abha_address, abha_address.lower()))
            identifiers += [_token(systems.ABHA_ADDRESS, form) for form in forms]
        if abha_number:
            forms = dict.fromkeys((ids.dashed(abha_number), ids.digits(abha_number)))
            identifiers += [_token(systems.ABHA_NUMBER, form) for form in forms]
        searches = [{"identifier": ",".join(identifiers)}] if identifiers else []
        digits = "".join(each for each in mobile or "" if each.isascii() and each.isdigit())[-10:]
        if len(digits) == 10:
            phones = ",".join(_escaped(form.format(digits)) for form in _MOBILE_FORMS)
            searches.append({"phone": phones})
        found: dict[str, Resource] = {}
        for search in searches:
            for each in self._client.search("Patient", {**search, "_count": str(PAGE)}):
                if is_own(each):
                    found[each["id"]] = each
        return list(found.values())

    def patient(self, patient_id: str) -> Resource | None:
        """An own Patient by id."""
        return self._own("Patient", patient_id)

    def encounter(self, encounter_id: str) -> Resource | None:
        """An own Encounter by id."""
        return self._own("Encounter", encounter_id)

    def organizations(self, hfr_ids: Iterable[str]) -> dict[str, Resource]:
        """The Organizations of these facilities by HFR id; those not there are absent."""
        wanted = [_token(systems.HFR_ID, each) for each in hfr_ids]
        if not wanted:
            return {}
        search = {"identifier": ",".join(wanted), "_count": str(PAGE)}
        return {
            identifier["value"]: each
            for each in self._client.search("Organization", search)
            if is_own(each)
            for identifier in as_list(each.get("identifier"))
            if identifier.get("system") == systems.HFR_ID and identifier.get("value")
        }

    def care_contexts_of(
        self, patient_id: str, *, facility: Resource | None = None
    ) -> list[Records]:
        """All own care contexts of a patient with what they hold; documents without their bytes.

        `facility`: the Organization for those that name none.
        """
        return fhir_visits.care_contexts_of_patient(self._client, patient_id, facility=facility)

    def records_of(
        self, references: Sequence[str], *, facility: Resource | None = None
    ) -> Iterator[Records]:
        """The care contexts of these references (`Encounter-<id>`, `Invoice-<id>`), in this order.

        Unknown references are absent. Read while it is consumed, files one care context at a time.
        """
        roots = [each.replace("-", "/", 1) for each in references]
        return fhir_visits.care_contexts(self._client, roots, facility=facility)

    def outlined(
        self, roots: Sequence[str], *, facility: Resource | None = None
    ) -> Iterator[Records]:
        """The care contexts of these roots (`Encounter/17`), documents without their bytes.

        Unknown roots are absent.
        """
        return fhir_visits.outlined(self._client, roots, facility=facility)

    def organizations_by_id(self, resource_ids: Iterable[str]) -> dict[str, Resource]:
        """The own Organizations under these FHIR ids; those not there are absent."""
        found = self._by_id("Organization", resource_ids)
        return {name: each for name, each in found.items() if is_own(each)}

    def patients(self, patient_ids: Iterable[str]) -> dict[str, Resource]:
        """The own Patients under these FHIR ids; those not there are absent."""
        found = self._by_id("Patient", patient_ids)
        return {name: each for name, each in found.items() if is_own(each)}

    def outlines(self, keys: Iterable[str]) -> dict[str, Resource]:
        """Type, id and `meta` of these resources (`Observation/abc`) by key; absent if not there.

        HAPI's placeholders are among them.
        """
        ids_by_type = defaultdict[str, list[str]](list)
        for name in keys:
            resource_type, _, resource_id = name.partition("/")
            ids_by_type[resource_type].append(resource_id)
        found = {}
        for resource_type, wanted in ids_by_type.items():
            for start in range(0, len(wanted), PAGE):
                part = ",".join(wanted[start : start + PAGE])
                search = {"_id": part, "_elements": "id,meta", "_count": str(PAGE)}
                for each in self._client.search(resource_type, search):
                    found[key(each)] = each
        return found

    # --- what is new ------------------------------------------------------------------------

    def changes(self, resource_type: str, since: datetime, elements: str) -> Changes:
        """Outlines of everything of one type written since then, in one search; also what is no
        own record."""
        return fhir_changes.changes(self._client, resource_type, since, elements)

    def time(self, resource_type: str) -> datetime:
        """The server's own time, by a search that finds nothing."""
        return fhir_changes.server_time(self._client, resource_type)

    def dated(
        self, resource_type: str, parameters: Mapping[str, str | list[str]], elements: str
    ) -> Iterator[list[Resource]]:
        """Outlines of a search, page by page; also what is no own record."""
        return fhir_changes.dated(self._client, resource_type, parameters, elements)

    def subscriptions(self, ids: Sequence[str]) -> dict[str, Resource]:
        """The Subscriptions under these ids; those not there are absent."""
        return fhir_changes.subscriptions(self._client, ids)

    # --- consents ---------------------------------------------------------------------------

    def consent(self, consent_id: str, *, known: Resource | None = None) -> Resource | None:
        """The Consent under this FHIR id (`hip-<artefact id>`), fresh from the server.

        `known`: the same Consent as read before; it is returned itself where the server says that
        nothing has changed since.
        """
        return self._read("Consent", consent_id, known)

    def consents(self, consent_ids: Iterable[str]) -> dict[str, Resource]:
        """The Consents under these FHIR ids; those not there are absent."""
        return self._by_id("Consent", consent_ids)

    # --- received records -------------------------------------------------------------------

    def verbatim(self, document_id: str) -> bytes | None:
        """The bytes of a received document as they came (its Binary's content)."""
        return self._client.content(f"Binary/{document_id}")

    def received(self, names: Iterable[str]) -> list[Resource]:
        """These received resources (`Observation/rcv-…`), Compositions first; those not there are
        absent, and so is whatever is no received one."""
        ids_by_type = defaultdict[str, list[str]](list)
        for name in names:
            resource_type, _, resource_id = name.partition("/")
            ids_by_type[resource_type].append(resource_id)
        found = [
            each
            for resource_type, wanted in ids_by_type.items()
            for some in chunks(wanted, PAGE)
            for each in self._client.search(
                resource_type, {"_id": ",".join(some), "_count": str(PAGE)}
            )
            if is_received(each)
        ]
        return sorted(found, key=lambda each: (each["resourceType"] != "Composition", key(each)))

    def provenances(self, resource_ids: Iterable[str]) -> list[Resource]:
        """The Provenances under these FHIR ids; those not there are absent."""
        return list(self._by_id("Provenance", resource_ids).values())

    def erase(self, names: Iterable[str]) -> None:
        """Delete these resources (`Observation/abc`) and remove them from the version history.

        Raises FhirUnavailable where it must be run again, FhirRejected where the server refuses.
        """
        fhir_erase.erase(self._client, names)

    # --- writing ----------------------------------------------------------------------------

    def put(self, resource: Resource) -> None:
        """Create or replace a resource under its own id."""
        self._client.execute(key(resource), method="put", data=resource)

    def transaction(self, resources: Iterable[Resource]) -> None:
        """PUT all of these or none."""
        entries = [
            {"resource": each, "request": {"method": "PUT", "url": key(each)}} for each in resources
        ]
        if entries:
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            self._client.execute("/", method="post", data=bundle)

    def write(
        self, puts: Sequence[tuple[Resource, str | None]], deletes: Sequence[str]
    ) -> dict[str, str]:
        """PUT and DELETE all of these or none; the new `versionId` of each resource put, by key.

        `puts`: each with the `versionId` it replaces, None where there is none yet or it doesn't
        matter. Content that is already there keeps its version. Raises FhirConflict where a
        resource no longer has the version named.
        """
        entries: list[Resource] = [
            {
                "resource": resource,
                "request": {
                    "method": "PUT",
                    "url": key(resource),
                    **({"ifMatch": f'W/"{version}"'} if version else {}),
                },
            }
            for resource, version in puts
        ]
        entries += [{"request": {"method": "DELETE", "url": each}} for each in deletes]
        if not entries:
            return {}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = self._client.execute("/", method="post", data=bundle)
        # The answer's entries stand in the order of the request's (R4, "Transaction Response").
        return {
            key(resource): str(entry["response"].get("etag", "")).removeprefix("W/").strip('"')
            for (resource, _), entry in zip(puts, answer["entry"], strict=False)
        }

    def add_tag(self, reference: str, system: str, code: str) -> None:
        """Add a tag to a record (`Encounter/abc`) without touching its content."""
        meta = {"tag": [{"system": system, "code": code}]}
        parameters = {
            "resourceType": "Parameters",
            "parameter": [{"name": "meta", "valueMeta": meta}],
        }
        self._client.execute(f"{reference}/$meta-add", method="post", data=parameters)

    # --- the server itself ------------------------------------------------------------------

    def validate(self, resource: Resource) -> Resource:
        """The server's OperationOutcome on a resource ($validate), also where it has errors."""
        return self._client.validate(resource)

    def guide_loaded(self) -> bool:
        """Whether the implementation guide's profiles are there, so that validation means it."""
        search = {"url": _GUIDE_PROFILE, "_elements": "url"}
        return any(True for _ in self._client.search("StructureDefinition", search))

    def ping(self) -> None:
        """Return if the server answers and takes our token; else raise FhirUnavailable."""
        list(self._client.search("Patient", {"_id": "ping", "_elements": "id", "_count": "1"}))

    def _by_id(self, resource_type: str, resource_ids: Iterable[str]) -> dict[str, Resource]:
        wanted = list(dict.fromkeys(resource_ids))
        return {
            each["id"]: each
            for some in chunks(wanted, PAGE)
            for each in self._client.search(
                resource_type, {"_id": ",".join(some), "_count": str(PAGE)}
            )
        }

    def _own(self, resource_type: str, resource_id: str) -> Resource | None:
        resource = self._read(resource_type, resource_id)
        return resource if resource is not None and is_own(resource) else None

    def _read(
        self, resource_type: str, resource_id: str, known: Resource | None = None
    ) -> Resource | None:
        if not is_fhir_id(resource_id):
            return None
        try:
            if known is not None and (known.get("meta") or {}).get("versionId"):
                return self._client.reread(known)
            resource: Resource = self._client.get(resource_type, resource_id)
        except NotThere:
            return None
        return resource


def _token(system: str, value: str) -> str:
    return f"{_escaped(system)}|{_escaped(value)}"


def _escaped(value: str) -> str:
    """A search value with FHIR's separators escaped (R4 search, "Escaping Search Parameters")."""
    for special in ("\\", ",", "|", "$"):
        value = value.replace(special, f"\\{special}")
    return value
