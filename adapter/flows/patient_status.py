"""PatientStatusNotify: ABDM tells that a patient's ABHA was deactivated, deleted or is back.

Noted on the ABHA profile, where the desk sees it, and the patient's links are withdrawn. One who is
back is linked again once the desk, or a change of the record, asks for it.
"""

from __future__ import annotations

from datetime import timedelta

from adapter.flows import link_changes
from adapter.flows.handler import ANY_REPLY, Commit, Handler
from adapter.protocol.messages import Envelope, PatientStatusNotify, PatientStatusOnNotifyRequest
from adapter.runtime import Adapter
from adapter.stores import abha_profiles, outbox
from adapter.stores.db import Tx

SENTENCES = {
    "DEACTIVATED": "ABDM says that this ABHA was deactivated; its holder can reactivate it.",
    "DELETED": "ABDM says that this ABHA was deleted by its holder.",
}


def on_patient_status(adapter: Adapter, envelope: Envelope, message: PatientStatusNotify) -> Commit:
    """Note the state and acknowledge."""

    def commit(tx: Tx) -> None:
        sentence = SENTENCES.get(message.status)
        if sentence is None:
            abha_profiles.reactivated(tx, message.abha_address)
        else:
            abha_profiles.doubted(tx, message.abha_address, sentence, active=False)
            link_changes.abha_deactivated(adapter, tx, message.abha_address)
        reply = PatientStatusOnNotifyRequest()
        outbox.queue(tx, adapter, envelope.reply(), reply, deadline=ANY_REPLY)

    return commit


def refuse(
    _envelope: Envelope, _message: PatientStatusNotify, error: str
) -> tuple[PatientStatusOnNotifyRequest, timedelta]:
    """PatientStatusOnNotifyRequest with the error."""
    return PatientStatusOnNotifyRequest(error), ANY_REPLY


HANDLER = Handler(on_patient_status, refuse, timedelta(minutes=5))
