"""What of a consent request can be seen from outside: in FHIR, and in what left for ABDM."""

from adapter.rules import consent_resource, hiu_consent_resource
from conformance.schemas import problems
from tests.flows.harness import Json, Site
from tests.flows.hiu import (
    FETCH,
    ON_NOTIFY,
)


def consent(site: Site, name: str) -> Json:
    found = site.adapter.fhir.consent(name)
    assert found is not None
    return found


def shown(site: Site, name: str) -> tuple[str, str, str | None]:
    """FHIR status, exact ABDM state and reason of a Consent."""
    resource = consent(site, name)
    told = {e["url"]: next(v for k, v in e.items() if k != "url") for e in resource["extension"]}
    return (
        resource["status"],
        told[consent_resource.STATUS_EXTENSION],
        told.get(hiu_consent_resource.REASON_EXTENSION),
    )


def acknowledged(site: Site) -> list[tuple[str, list[str]]]:
    """(REQUEST-ID answered, artefacts acknowledged) of every acknowledgement."""
    made = []
    for call in site.outside.to(ON_NOTIFY):
        assert problems("HiuConsentOnNotifyRequest", call.body) == []
        lines = call.body["acknowledgement"]
        assert all(line["status"] == "OK" for line in lines)
        made.append((call.body["response"]["requestId"], [line["consentId"] for line in lines]))
    return made


def ids_of(*details: Json) -> list[str]:
    return [detail["consentId"] for detail in details]


def in_order(site: Site) -> list[str]:
    """Acknowledgements and fetches as they left."""
    paths = (ON_NOTIFY, FETCH)
    return [path for call in site.outside.calls for path in paths if call.path.endswith(path)]


def fetches(site: Site) -> list[str]:
    """Which artefacts ABDM was asked for, sorted: messages due at one time leave in any order."""
    return sorted(call.body["consentId"] for call in site.outside.to(FETCH))
