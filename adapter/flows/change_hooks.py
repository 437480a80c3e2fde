"""The FHIR server's hooks: Subscriptions that ring when a record is written, kept in repair.

One rest-hook `Subscription` for each watched type, without payload, so that no record travels. Its
secret header is derived from SEAL_KEYS and stored nowhere else. A hook may be lost or forged: it
only makes the next search of the record watch sooner. Without an address at which the FHIR server
reaches the adapter (WATCH_HOOK_URL, else PUBLIC_URL) there are none, and the searches do alone.
"""

from __future__ import annotations

import hmac
from datetime import timedelta
from hashlib import sha256
from typing import Any

import structlog

from adapter.protocol.errors import FhirRejected
from adapter.rules.watching import WATCHED_TYPES
from adapter.runtime import Adapter

log = structlog.get_logger(__name__)

#: How often the Subscriptions are looked after; HAPI switches one off that fails lastingly.
EVERY = timedelta(minutes=5)

PATH = "/hims/v1/fhir-changed"
SECRET_HEADER = "X-Watch-Secret"  # noqa: S105 - the header's name

_PURPOSE = "fhir-changed"
_AS_IT_SHOULD = frozenset({"active", "requested"})


def repair(adapter: Adapter) -> int:
    """Create the Subscriptions that are missing, and write anew those that are off or other than
    they should be; how many. Raises FhirUnavailable."""
    wanted = wanted_subscriptions(adapter)
    if not wanted:
        return 0
    present = adapter.fhir.subscriptions(list(wanted))
    broken = [each for name, each in wanted.items() if not _fits(present.get(name), each)]
    for each in broken:
        try:
            adapter.fhir.put(each)
        except FhirRejected as error:
            log.error("the FHIR server takes no Subscription", reason=str(error))
            return 0
    if broken:
        log.info("hooks of the FHIR server repaired", subscriptions=len(broken))
    return len(broken)


def is_ours(adapter: Adapter, given: str) -> bool:
    """Whether a hook bears our secret, under any of SEAL_KEYS; in constant time."""
    known = adapter.sealer.keyed_hashes(_subject(adapter), purpose=_PURPOSE)
    found = False
    for each in known:
        found |= hmac.compare_digest(each.encode(), given.encode(errors="replace"))
    return found


def wanted_subscriptions(adapter: Adapter) -> dict[str, dict[str, Any]]:
    """The Subscriptions as they should be, by id; none without an address for them."""
    address = _address(adapter)
    if not address:
        return {}
    secret = adapter.sealer.keyed_hash(_subject(adapter), purpose=_PURPOSE)
    # Adapters that share a FHIR server have Subscriptions of their own.
    tail = sha256(address.encode()).hexdigest()[:12]
    return {
        f"abdm-{kind.lower()}-{tail}": {
            "resourceType": "Subscription",
            "id": f"abdm-{kind.lower()}-{tail}",
            "status": "requested",
            "reason": "Tells the ABDM adapter that there may be something to link.",
            "criteria": f"{kind}?",
            "channel": {
                "type": "rest-hook",
                "endpoint": f"{address}{PATH}/{kind}",
                "header": [f"{SECRET_HEADER}: {secret}"],
            },
        }
        for kind in WATCHED_TYPES
    }


def _fits(present: dict[str, Any] | None, wanted: dict[str, Any]) -> bool:
    if present is None or present.get("status") not in _AS_IT_SHOULD:
        return False
    channel = present.get("channel") or {}
    return present.get("criteria") == wanted["criteria"] and all(
        channel.get(name) == value for name, value in wanted["channel"].items()
    )


def _address(adapter: Adapter) -> str:
    return adapter.config.watch_hook_url or adapter.config.public_url


def _subject(adapter: Adapter) -> str:
    return f"hook:{_address(adapter)}"
