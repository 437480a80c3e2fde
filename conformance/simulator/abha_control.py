"""The control calls about Aadhaar holders, ABHA accounts, facilities, and shared profiles."""

from collections.abc import Callable
from typing import Any

from conformance.simulator import abha_cards, abha_people, registry, share, views
from conformance.simulator.core import Simulator
from conformance.simulator.lookups import NotFound

Action = Callable[..., Any]


def _abha(simulator: Simulator, abha_number: str) -> Any:
    with simulator.state.changed:
        return abha_people.described(abha_people.account_named(simulator, abha_number))


def _abha_of(simulator: Simulator, aadhaar: str) -> Any:
    with simulator.state.changed:
        abha_people.person_named(simulator, aadhaar)
        account = abha_people.account_of(simulator, aadhaar)
        return None if account is None else abha_people.described(account)


def _otp(simulator: Simulator, txn_id: str) -> Any:
    with simulator.state.changed:
        transaction = simulator.state.abha.transactions.get(txn_id)
        if transaction is None or transaction.challenge is None:
            raise NotFound("No code was sent under this txnId.")
        return transaction.challenge.otp


def _qr(simulator: Simulator, abha_number: str, form: str) -> Any:
    with simulator.state.changed:
        account = abha_people.account_named(simulator, abha_number)
        return abha_cards.payload(account, form)


def _share(simulator: Simulator, share_id: str) -> Any:
    with simulator.state.changed:
        told = views.plain(share.share_named(simulator, share_id))
    return {name: value for name, value in told.items() if name != "body"}


ACTIONS: dict[str, Action] = {
    "add-person": abha_people.add_person,
    "add-abha": abha_people.add_account,
    "abha": _abha,
    "abha-of": _abha_of,
    "abha-status": abha_people.set_status,
    "abha-block-methods": abha_people.block_methods,
    "abha-rotate-key": lambda simulator: simulator.abha_keys.rotate(),
    "abha-otp": _otp,
    "abha-qr": _qr,
    "add-facility": registry.add_facility,
    "scan-qr": share.scan,
    "share": _share,
    "replay-share": share.replay,
}
