"""Resources and documents through a FHIR server's `$validate` with the implementation guide.

One call, one answer: what was checked and what the validator found, with the place of each
finding. A profile that the server hasn't loaded makes the answer "not checked", never "valid".
Knows nothing of the adapter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

# The first $validate after a server's start builds the snapshots: 20 to 60 s were measured.
TIMEOUT_S = 180
_LINE = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line"
_COLUMN = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col"
_ELEMENT = re.compile(r'\[element="([^"]+)"\]')
_SEVERITIES = ("fatal", "error", "warning", "information")


@dataclass(frozen=True)
class Issue:
    """One finding: `severity` is fatal, error, warning or information; `place` is where."""

    severity: str
    place: str
    message: str


@dataclass(frozen=True)
class ValidationResult:
    """What `$validate` answered.

    `checked` is False where the question could not be answered (server away, profile not loaded);
    `reason` then is a sentence saying why. Issues stand in the validator's order.
    """

    checked: bool
    reason: str | None
    issues: list[Issue]

    @property
    def errors(self) -> list[Issue]:
        """The findings that make a resource invalid."""
        return [i for i in self.issues if i.severity in ("fatal", "error")]

    @property
    def valid(self) -> bool:
        """True only if it was checked and has no error."""
        return self.checked and not self.errors


class Validator:
    """One server, asked many times: keeps its connections and which profiles are loaded there.

    Usable by several threads. `base_url`: the server's FHIR base; `token`: its bearer token, None
    for a server that asks for none.
    """

    def __init__(self, base_url: str, token: str | None) -> None:
        self._base = base_url.rstrip("/")
        self._loaded: set[str] = set()
        self._session = requests.Session()
        self._session.headers["Accept"] = "application/fhir+json"
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def validate(
        self, resource: dict[str, Any] | bytes, profile: str | None = None
    ) -> ValidationResult:
        """As `validate` below."""
        body = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
        try:
            parsed = json.loads(body)
        except ValueError as error:
            return ValidationResult(
                True, None, [Issue("fatal", "$", f"This is not JSON: {error}.")]
            )
        if not isinstance(parsed, dict) or not isinstance(parsed.get("resourceType"), str):
            message = "This is not a FHIR resource: a JSON object with resourceType is needed."
            return ValidationResult(True, None, [Issue("fatal", "$", message)])
        try:
            wanted = dict.fromkeys([*([profile] if profile else []), *_claimed(parsed)])
            missing = [p for p in wanted if not self._has(p)]
            if missing:
                return ValidationResult(False, _not_loaded(missing), [])
            answer = self._session.post(
                f"{self._base}/{parsed['resourceType']}/$validate",
                params={"profile": profile} if profile else None,
                data=body,
                headers={"Content-Type": "application/fhir+json"},
                timeout=TIMEOUT_S,
            )
        except requests.RequestException as error:
            reason = f"The FHIR server did not answer ({type(error).__name__}); is it running?"
            return ValidationResult(False, reason, [])
        return _result(answer)

    def _has(self, profile: str) -> bool:
        if profile not in self._loaded and _loaded(self._session, self._base, profile):
            self._loaded.add(profile)
        return profile in self._loaded


def validate(
    base_url: str,
    token: str | None,
    resource: dict[str, Any] | bytes,
    profile: str | None = None,
) -> ValidationResult:
    """Validate one resource (or document Bundle) on a FHIR R4 server.

    Args:
        base_url: the server's FHIR base, without a trailing slash or with one.
        token: its bearer token; None for a server that asks for none.
        resource: a resource as dictionary, or as the JSON bytes to be judged as they are.
        profile: a profile to check besides those that the resource claims in `meta.profile`.

    Returns:
        the result; network failures and missing profiles are results too (`checked` False).
    """
    return Validator(base_url, token).validate(resource, profile)


def _claimed(value: object) -> Iterator[str]:
    """The profiles that a resource, its entries and its contained resources claim."""
    if isinstance(value, dict):
        meta = value.get("meta")
        if isinstance(meta, dict) and isinstance(value.get("resourceType"), str):
            yield from (p for p in meta.get("profile") or () if isinstance(p, str))
        for item in value.values():
            if isinstance(item, dict | list):
                yield from _claimed(item)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                yield from _claimed(item)


def _loaded(session: requests.Session, base: str, profile: str) -> bool:
    """Does the server hold this profile? FHIR's own base profiles are always there."""
    url = profile.split("|", 1)[0]
    if url.startswith("http://hl7.org/fhir/StructureDefinition/"):
        return True
    answer = session.get(
        f"{base}/StructureDefinition",
        params={"url": url, "_summary": "count"},
        headers={"Cache-Control": "no-cache"},
        timeout=TIMEOUT_S,
    )
    if answer.status_code != requests.codes.ok:
        raise requests.HTTPError(response=answer)
    return bool(answer.json().get("total"))


def _not_loaded(missing: list[str]) -> str:
    return (
        f"Not checked: the FHIR server has not loaded {', '.join(missing)}; "
        "set ABDM_IG_PACKAGE to the implementation guide's package and start it again."
    )


def _result(answer: requests.Response) -> ValidationResult:
    try:
        outcome = answer.json()
    except ValueError:
        outcome = None
    if not isinstance(outcome, dict) or outcome.get("resourceType") != "OperationOutcome":
        reason = f"The FHIR server refused to validate (HTTP {answer.status_code})."
        return ValidationResult(False, reason, [])
    if answer.status_code in (401, 403, 404, 429) or answer.status_code >= 500:
        reason = f"The FHIR server refused to validate (HTTP {answer.status_code})."
        return ValidationResult(False, reason, [])
    issues = [_issue(i) for i in outcome.get("issue", ())]
    # The validator says this itself where a profile vanished between the two calls.
    unknown = [i for i in issues if "has not been checked because it" in i.message]
    if unknown:
        return ValidationResult(False, f"Not checked: {unknown[0].message}", issues)
    return ValidationResult(True, None, issues)


def _issue(issue: dict[str, Any]) -> Issue:
    severity = issue.get("severity")
    place = next(iter(issue.get("expression") or issue.get("location") or ()), "")
    position = {e.get("url"): e.get("valueInteger") for e in issue.get("extension", ())}
    if position.get(_LINE) is not None:
        place = f"{place} (line {position[_LINE]}, column {position.get(_COLUMN)})".strip()
    details = issue.get("details") or {}
    message = issue.get("diagnostics") or details.get("text") or "No explanation given."
    if not place:
        # A value that HAPI can't even parse: it names the element in its sentence only.
        named = _ELEMENT.search(message)
        place = named[1] if named else ""
    return Issue(severity if severity in _SEVERITIES else "error", place, message)
