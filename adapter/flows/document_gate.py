"""The last look at a document before it is encrypted: `VALIDATE_BEFORE_PUSH`.

First the fast check (`mappings.checker`), then the FHIR server's `$validate`, where that server has
ABDM's profiles loaded. What was not checked is said so and never counts as valid.

    off    no look at all
    warn   every document leaves; what was found stands in the transfer's record. Checking must not
           make a transfer late: after `until` documents leave unchecked by the profiles
    block  a document with errors doesn't leave; one that could not be checked leaves if the fast
           check found nothing, and its record says that the profiles were not asked

Sentences name document types, places and the validator's message ids only, no content; findings in
full are shown by `abdm-adapter document` and `abdm-adapter validate`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from adapter.protocol.errors import FhirRejected, FhirUnavailable
from adapter.runtime import Adapter
from mappings import checker

log = structlog.get_logger(__name__)

Json = dict[str, Any]

_NO_GUIDE = (
    "Not checked with ABDM's profiles: the FHIR server has not loaded them "
    "(set ABDM_IG_PACKAGE there)."
)
_NO_TIME = "Not checked with ABDM's profiles: the transfer had no time left for it."
_NO_ANSWER = "Not checked with ABDM's profiles: the FHIR server did not answer the validation."
_NOT_LOADED = "has not been checked because it"
#: HAPI puts the type and id of a resource into its places as a comment.
_ELEMENT = re.compile(r'\[element="(\w+)"\]')
_NOTE = re.compile(r"/\*.*?\*/")


@dataclass(frozen=True)
class Verdict:
    """Whether a document may leave, and what its record must say; None: nothing to say."""

    may_leave: bool
    sentence: str | None = None


_FINE = Verdict(True)


@dataclass
class DocumentGate:
    """The gate of one transfer: asks once whether the FHIR server has the profiles."""

    adapter: Adapter
    until: datetime
    _guide: bool | None = field(default=None, init=False)

    def judge(self, hi_type: str, document: Json) -> Verdict:
        """The verdict on one document.

        Raises FhirUnavailable under `block` where the server can't be asked now: the transfer
        waits. Under `warn` the document leaves as "not checked".
        """
        mode = self.adapter.config.validate_before_push
        if mode == "off":
            return _FINE
        found = checker.errors(checker.check(document, self.adapter.demands))
        if found:
            first = f"{found[0].place}: {found[0].message}"
            return self._faulty(hi_type, len(found), first)
        try:
            if mode == "warn" and self.adapter.clock() >= self.until:
                return Verdict(True, _NO_TIME)
            if not self._has_guide():
                return Verdict(True, _NO_GUIDE)
            outcome = self.adapter.fhir.validate(document)
        except FhirUnavailable:
            if mode == "block":
                raise
            return Verdict(True, _NO_ANSWER)
        except FhirRejected:
            return Verdict(True, _NO_ANSWER)
        issues = [issue for issue in outcome.get("issue", ()) if isinstance(issue, dict)]
        if any(_NOT_LOADED in str(issue.get("diagnostics")) for issue in issues):
            return Verdict(True, _NO_GUIDE)
        bad = [issue for issue in issues if issue.get("severity") in ("error", "fatal")]
        return self._faulty(hi_type, len(bad), _told(bad[0])) if bad else _FINE

    def _has_guide(self) -> bool:
        if self._guide is None:
            self._guide = self.adapter.fhir.guide_loaded()
        return self._guide

    def _faulty(self, hi_type: str, count: int, first: str) -> Verdict:
        blocks = self.adapter.config.validate_before_push == "block"
        log.warning("document does not fit its profile", hi_type=hi_type, errors=count, kept=blocks)
        fate = "was kept back" if blocks else "left all the same"
        errors = "1 error" if count == 1 else f"{count} errors"
        told = f"The {hi_type} document has {errors} and {fate}. The first at {first}"
        return Verdict(not blocks, told)


def _told(issue: Json) -> str:
    """Place and message id of a validator's finding; its sentence may quote the record."""
    place = next(iter(issue.get("expression") or issue.get("location") or ()), "")
    if not place:
        # What HAPI can't even parse: it names the element in its sentence only.
        named = _ELEMENT.search(str(issue.get("diagnostics")))
        place = named[1] if named else "Bundle"
    codings = (issue.get("details") or {}).get("coding") or [{}]
    return f"{_NOTE.sub('', place)} ({codings[0].get('code') or issue.get('code')})."
