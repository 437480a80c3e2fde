"""What of a link-token request differs from a stored ABHA profile, for the person at the desk.

ABDM says only that the details do not match (ABDM-1036, 1051), never which. Fields are named, their
values are not: the sentence stands where anybody may read it. Pure.
"""

from __future__ import annotations

from adapter.protocol.messages import GenerateLinkTokenRequest
from adapter.rules.abha_profile import Profile
from adapter.rules.patients import digits

_UNKNOWN = (
    "Compare the record's name, gender, year of birth and ABHA number with the patient's ABHA card "
    "(no ABHA profile of this address is stored here), correct the record, then link again."
)
_SAME = (
    "The record agrees with the ABHA profile stored here, so that may be out of date: fetch it "
    "again or compare with the patient's ABHA card, then link again."
)


def differing(request: GenerateLinkTokenRequest, profile: Profile) -> tuple[str, ...]:
    """The names of the fields that differ; what the profile does not state is not compared."""
    pairs = {
        "name": (_words(request.name), _words(profile.name)),
        "gender": (request.gender, profile.gender),
        "year of birth": (request.year_of_birth, profile.year_of_birth),
        "ABHA number": (digits(request.abha_number or ""), digits(profile.abha_number or "")),
    }
    return tuple(
        name for name, (ours, theirs) in pairs.items() if ours and theirs and ours != theirs
    )


def advice(request: GenerateLinkTokenRequest, profile: Profile | None) -> str:
    """What to correct, as a sentence. `profile`: the one stored for the address, if any."""
    if profile is None:
        return _UNKNOWN
    found = differing(request, profile)
    if not found:
        return _SAME
    verb = "differs" if len(found) == 1 else "differ"
    return (
        f"On the record, {' and '.join(found)} {verb} from the ABHA profile stored here; correct "
        "whichever is wrong, then link again."
    )


def _words(name: str | None) -> str:
    return " ".join((name or "").casefold().split())
