"""Who is calling: the gateway by its signed token, a hospital system by its API key.

Security options are written out even where they equal a library's default. What is refused says
neither which check failed nor anything of the token; the log has the reason.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from time import monotonic
from types import MappingProxyType
from typing import Any, NoReturn

import jwt
import structlog
from flask import request

from adapter.config import ApiKey
from adapter.protocol.errors import MalformedRequest, Unauthenticated
from adapter.runtime import Adapter
from adapter.stores import callback_sender
from adapter.stores.db import Tx

log = structlog.get_logger(__name__)

#: For clocks that differ; anything later counts as expired.
CLOCK_LEEWAY = timedelta(seconds=30)

#: Claims learned from the first callback that answers a message of ours. The issuer is the realm,
#: which every client shares; the authorised party is the client, so it tells the gateway apart.
LEARNED_CLAIMS = ("iss", "azp")

#: While no claims are pinned, another process may pin them: how often that is looked up.
LOOK_SECONDS = 1.0

LONGEST_NAME = 255


@dataclass(frozen=True)
class Sender:
    """A verified token's claims. `late`: expired, so it may only bring what was never seen.
    `generation`: whose keys signed it."""

    claims: Mapping[str, Any]
    late: bool
    generation: str


class GatewayAuth:
    """Verifies callbacks' tokens, each generation's with its own keys and its own sender; remembers
    the pinned claims for this process."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._pinned = {
            generation: claims
            for generation in adapter.config.api_versions
            if (claims := adapter.config.token_claims_of(generation))
        }
        self._looked_at: dict[str, float] = {}

    def verify(self, authorization: str | None, generation: str) -> Sender:
        """The sender of a callback of `generation`, by its Authorization header.

        Raises Unauthenticated, DependencyUnavailable when the gateway's keys cannot be had.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            _refuse("no bearer token")
        claims = self._signed_claims(token.strip(), generation)
        late = self._check_times(claims)
        self._check_sender(claims, generation)
        return Sender(claims, late, generation)

    def pinned_claims(self, generation: str) -> Mapping[str, str] | None:
        """The claims that a callback of `generation` must carry, None while none are pinned."""
        present = self._pinned.get(generation)
        looked_at = self._looked_at.get(generation)
        if present is None and (looked_at is None or monotonic() - looked_at >= LOOK_SECONDS):
            started = monotonic()
            with self._adapter.db.reading() as tx:
                present = callback_sender.pinned(tx, generation)
            if present is not None:
                self._pinned[generation] = present
            self._looked_at[generation] = started
        return present

    def learn(self, tx: Tx, sender: Sender, response_to: str | None) -> None:
        """Pin the sender's claims if none are pinned and it answers a REQUEST-ID of ours.

        Only the party our message went to can know that id.
        """
        generation = sender.generation
        if generation in self._pinned or response_to is None:
            return
        learned = {
            name: sender.claims[name]
            for name in LEARNED_CLAIMS
            if isinstance(sender.claims.get(name), str)
        }
        # Not kept in memory here: the transaction may still fail. The next call reads it.
        if learned and callback_sender.pin(self._adapter.db, tx, generation, learned, response_to):
            self._looked_at.pop(generation, None)
            log.info("callback sender pinned", claims=sorted(learned))

    def _signed_claims(self, token: str, generation: str) -> Mapping[str, Any]:
        try:
            kid, algorithm = _stated_key(token)
        except jwt.PyJWTError:
            _refuse("no readable token")
        if not isinstance(kid, str) or not kid:
            _refuse("no key id")
        key = self._adapter.gateway.keys_of(generation).get(kid)
        if key is None:
            _refuse("unknown key id")
        # The key says which algorithm is right; `none` and HS* are no algorithm of any key.
        if algorithm != key.algorithm_name:
            _refuse("algorithm differs from the key's")
        try:
            return _verified(token, key)
        except jwt.PyJWTError as error:
            _refuse(type(error).__name__)

    def _check_times(self, claims: Mapping[str, Any]) -> bool:
        now = self._adapter.clock().timestamp()
        leeway = CLOCK_LEEWAY.total_seconds()
        for name in ("nbf", "iat"):
            if name in claims and _seconds(claims[name]) > now + leeway:
                _refuse(f"{name} lies in the future")
        overdue = now - _seconds(claims["exp"])
        if overdue > max(leeway, self._adapter.config.callback_token_leeway):
            _refuse("expired")
        return overdue > leeway

    def _check_sender(self, claims: Mapping[str, Any], generation: str) -> None:
        for name, value in (self.pinned_claims(generation) or {}).items():
            stated = claims.get(name)
            if stated != value and not (isinstance(stated, list) and value in stated):
                log.warning(
                    "AUDIT callback from another sender refused", claim=name, route=_route()
                )
                raise Unauthenticated


@lru_cache(maxsize=128)
def _stated_key(token: str) -> tuple[Any, Any]:
    """Key id and algorithm as the token itself states them. Raises PyJWTError."""
    header = jwt.get_unverified_header(token)
    return header.get("kid"), header.get("alg")


# The gateway uses one token for many callbacks. A withdrawn key is another `key`, or none.
@lru_cache(maxsize=128)
def _verified(token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
    """The claims of `token` if `key` signed it; times are not judged yet. Raises PyJWTError."""
    return MappingProxyType(
        jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm_name],
            options={
                "verify_signature": True,
                # Times are judged by our own clock in _check_times.
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                # Undocumented claims; the pinned ones are compared in _check_sender.
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
                "require": ["exp"],
            },
        )
    )


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        _refuse("a time that is no number")
    return float(value)


def _refuse(reason: str) -> NoReturn:
    log.warning("callback token refused", reason=reason, route=_route())
    raise Unauthenticated


def _route() -> str:
    return request.url_rule.rule if request.url_rule else ""


@dataclass(frozen=True)
class Caller:
    """A hospital system: who acts, and for which facilities (HFR ids; None: all served)."""

    name: str
    facilities: frozenset[str] | None

    def may_act_for(self, hfr_id: str) -> bool:
        """Whether this key covers the facility; if not, its things are answered 404."""
        return self.facilities is None or hfr_id in self.facilities


def require_hims_key(adapter: Adapter) -> Caller:
    """The caller of the present request, by `Authorization: Bearer <key of HIMS_API_KEYS>`.

    Who acts stands in `X-User` or in the JSON body's `requester`.
    Raises Unauthenticated for no or an unknown key, MalformedRequest when nobody is named.
    """
    key = known_key(adapter)
    return Caller(_who(), key.facilities)


def known_key(adapter: Adapter) -> ApiKey:
    """The key of the present request, for calls that touch no record, so that nobody acts.

    Raises Unauthenticated for no or an unknown key.
    """
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    found = None
    # Every key is compared, so that the time taken tells nothing.
    for known in adapter.config.hims_api_keys:
        if hmac.compare_digest(
            known.key.get_secret_value().encode(), given.strip().encode(errors="replace")
        ):
            found = known
    if found is None or scheme.lower() != "bearer":
        raise Unauthenticated(
            "This call needs a key of HIMS_API_KEYS: send it as Authorization: Bearer <key>."
        )
    return found


def _who() -> str:
    header = request.headers.get("X-User")
    name: object
    if header:
        # WSGI hands header bytes over as Latin-1; names in Devanagari come as UTF-8.
        name = header.encode("latin-1", errors="replace").decode(errors="replace")
    else:
        body = request.get_json(silent=True) if request.is_json else None
        name = body.get("requester") if isinstance(body, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise MalformedRequest(
            "Name the person who acts: in the header X-User or in the body's requester."
        )
    name = " ".join(name.split())
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise MalformedRequest(
            f"The acting person's name is over {LONGEST_NAME} characters long "
            "or has characters that cannot be shown."
        )
    return name
