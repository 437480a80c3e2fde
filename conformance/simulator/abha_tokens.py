"""User tokens of the ABHA service: X-token, refresh token, transfer token (T-token).

Source: M0/M1 document, sections 5.2 to 5.4. The three kinds never stand in for one another.
"""

from typing import Any, Literal

import jwt

from conformance.simulator.abha_errors import abha_refusal, message_refusal
from conformance.simulator.abha_state import Account
from conformance.simulator.core import Call, Simulator
from conformance.simulator.errors import Refusal

Kind = Literal["Transaction", "Refresh", "Transfer"]
HEADERS: dict[Kind, str] = {
    "Transaction": "X-token",
    "Refresh": "R-token",
    "Transfer": "T-token",
}


def issued(simulator: Simulator, account: Account, txn_id: str = "") -> dict[str, Any]:
    """An X-token and a refresh token with their lifetimes, as the answers carry them."""
    config = simulator.config
    claims = {
        "sub": account.number,
        "clientId": "abha-profile-app-api",
        "system": "ABHA-N",
        "mobile": account.mobile,
        "abhaNumber": account.number,
        "preferredAbhaAddress": account.preferred,
        "txnId": txn_id,
    }
    sign = simulator.abha_keys.sign
    return {
        "token": sign({**claims, "typ": "Transaction"}, config.abha_token_seconds),
        "expiresIn": int(config.abha_token_seconds),
        "refreshToken": sign({**claims, "typ": "Refresh"}, config.abha_refresh_seconds),
        "refreshExpiresIn": int(config.abha_refresh_seconds),
    }


def transfer(simulator: Simulator, mobile: str, txn_id: str) -> dict[str, Any]:
    """A transfer token: it only serves to choose one of the accounts of a mobile."""
    seconds = simulator.config.abha_transfer_seconds
    claims = {"sub": mobile, "system": "ABHA-N", "typ": "Transfer", "txnId": txn_id}
    return {"token": simulator.abha_keys.sign(claims, seconds), "expiresIn": int(seconds)}


def claims_in(simulator: Simulator, call: Call, kind: Kind) -> dict[str, Any]:
    """The claims of the user token a call carries.

    Raises 400 "Invalid …" for a missing, bare, foreign or ended token, 401 for an expired one.
    """
    name = HEADERS[kind]
    value = call.headers.get(name.upper(), "")
    if not value.startswith("Bearer "):
        raise message_refusal(f"Invalid {name}", why=f"{name} is missing or not a bearer")
    try:
        claims = simulator.abha_keys.read(value.removeprefix("Bearer "))
    except jwt.ExpiredSignatureError as error:
        raise message_refusal(f"{name} expired", 401) from error
    except jwt.InvalidTokenError as error:
        raise message_refusal(f"Invalid {name}", why=f"{name} is not ours") from error
    if claims["typ"] != kind or claims["jti"] in simulator.state.abha.ended_tokens:
        raise message_refusal(f"Invalid {name}", why=f"{name} is of another kind or ended")
    return claims


def user_of(simulator: Simulator, call: Call, kind: Kind = "Transaction") -> Account:
    """The account whose token a call carries. The state is held."""
    claims = claims_in(simulator, call, kind)
    account = simulator.state.abha.accounts.get(claims["sub"])
    if account is None:
        raise message_refusal(f"Invalid {HEADERS[kind]}", why="the account does not exist")
    return account


def address_user_of(simulator: Simulator, call: Call) -> Account:
    """As `user_of`, with the array shape of the address calls for a bad token."""
    try:
        return user_of(simulator, call)
    except Refusal as refused:
        if refused.status == 401:
            raise
        raise abha_refusal(
            "ABDM-1006: ", "Invalid X-token", shape="flat-array", why=refused.why
        ) from refused


def refuse_deactivated(account: Account) -> None:
    """Raises 1134 (400) if the account is not active."""
    if account.status != "ACTIVE":
        raise abha_refusal("ABDM-1134", why="the account is deactivated")


def refresh(simulator: Simulator, call: Call) -> dict[str, Any]:
    """New tokens for a refresh token."""
    with simulator.state.changed:
        account = user_of(simulator, call, "Refresh")
        refuse_deactivated(account)
        return issued(simulator, account)


def end(simulator: Simulator, call: Call) -> None:
    """Log out: the X-token of the call is worth nothing any more."""
    with simulator.state.changed:
        user_of(simulator, call)
        claims = claims_in(simulator, call, "Transaction")
        simulator.state.abha.ended_tokens.add(claims["jti"])
