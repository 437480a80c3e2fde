"""ABDM's SMS to a patient who has a mobile number here and no known ABHA address (`SMS_NOTIFY`).

    SmsNotifyRequest  →  OnSmsNotify

Its link opens the patients' app at this facility, where the patient finds and links the visit
(V3 contract 6.4; case HIP_INIT_NOTIFY_HIECM). One SMS a visit, ever: not for visits that ended
longer than SMS_NOTIFY_DAYS ago, or a hospital that joins would write to everybody it ever saw. The
callback was seen never to come although the SMS did, so its absence closes the notice as
UNCONFIRMED, and nothing is repeated.
"""

from __future__ import annotations

from datetime import timedelta

from adapter.flows.handler import ANY_REPLY, TAKEN, Commit, Handler, Outcome
from adapter.flows.linked import answered, self_started
from adapter.protocol.messages import Envelope, OnSmsNotify, SmsNotifyRequest
from adapter.protocol.refusals import reaction
from adapter.rules.care_contexts import CareContext
from adapter.rules.patients import PatientFacts
from adapter.rules.states import SmsNoticeState
from adapter.runtime import Adapter
from adapter.stores import facilities, outbox, sms_notices
from adapter.stores.db import Tx

PATIENCE = timedelta(hours=1)
_UNANSWERED = "Unanswered"
_UNCONFIRMED = "ABDM took the SMS and did not say what became of it."


def offer(adapter: Adapter, tx: Tx, facts: PatientFacts, context: CareContext) -> None:
    """Have ABDM write to the patient about this care context, unless it was asked to before."""
    config, now = adapter.config, adapter.clock()
    if not config.sms_notify or not facts.mobiles or context.hip_id is None:
        return
    if context.until is None or context.until < now - timedelta(days=config.sms_notify_days):
        return
    notice_id = sms_notices.add(
        tx,
        adapter,
        hip_id=context.hip_id,
        patient_id=facts.patient_id,
        reference=context.reference,
        now=now,
    )
    if notice_id is None:
        return
    outbox.queue(
        tx,
        adapter,
        self_started(adapter, context.hip_id),
        SmsNotifyRequest(
            facts.mobiles[0], facilities.name_of(tx, context.hip_id) or context.hip_id
        ),
        deadline=ANY_REPLY,
        subject=notice_id,
    )


def after_sms_notify(adapter: Adapter, tx: Tx, notice_id: str, outcome: Outcome) -> None:
    """Taken: the callback may say more. Unanswered: probably sent. Refused: failed."""
    if outcome in TAKEN:
        return
    state, sentence = SmsNoticeState.UNCONFIRMED, _UNCONFIRMED
    if outcome != _UNANSWERED:
        state = SmsNoticeState.FAILED
        sentence = outbox.sentence_of(tx, SmsNotifyRequest.__name__, notice_id) or outcome
    sms_notices.close(tx, notice_id, state, adapter.clock(), sentence)


def on_sms_notify(adapter: Adapter, envelope: Envelope, message: OnSmsNotify) -> Commit:
    """ABDM accepted the SMS for sending, or did not."""

    def commit(tx: Tx) -> None:
        notice_id = answered(adapter, tx, envelope, SmsNotifyRequest.__name__)
        state, sentence = SmsNoticeState.CONFIRMED, None
        if message.error is not None:
            state = SmsNoticeState.FAILED
            sentence = reaction(SmsNotifyRequest.__name__, message.error).sentence
        sms_notices.close(tx, notice_id, state, adapter.clock(), sentence)

    return commit


HANDLER = Handler(on_sms_notify, None, PATIENCE)
