"""ProfileShare: a patient scanned a counter's QR, and gets a number in its queue within 30 s.

The number waits for nothing but the database: profile, number, answer and the request for a link
token are one transaction. Matching or creating the patient follows at once in the background
(`abha_linking.step`), and as soon as it can where the FHIR server is away. Source: M0 and M1,
sections 17 and 18; case SHARE_PATIENT_PROFILE_701.
"""

from __future__ import annotations

from datetime import timedelta

from adapter.flows import abha_linking
from adapter.flows.handler import Commit, Handler
from adapter.protocol.errors import Conflict, MultiplePatients, ShareNotSupported
from adapter.protocol.messages import Envelope, ProfileOnShareRequest, ProfileShare
from adapter.rules.abha_profile import from_share
from adapter.runtime import Adapter
from adapter.stores import abha_profiles, outbox, queue_tokens
from adapter.stores.db import Tx

#: The patient's app waits this long (M0 and M1, section 7).
REPLY = timedelta(seconds=30)
PATIENCE = timedelta(seconds=20)
#: How long a number is good; a rescan within it shows the same number (17.3).
TOKEN_LIFE = timedelta(minutes=30)


def on_profile_share(adapter: Adapter, envelope: Envelope, message: ProfileShare) -> Commit:
    """Keep the profile, issue the number, answer, ask for a link token; the patient comes next.

    Raises ShareNotSupported for other intents than PROFILE_SHARE; the Commit raises
    MultiplePatients where ABHA number and address are known here as two people's.
    """
    if message.intent != "PROFILE_SHARE":
        raise ShareNotSupported
    hip_id = envelope.hip_id or message.hip_id
    told = from_share(message.patient)

    def commit(tx: Tx) -> None:
        now = adapter.clock()
        try:
            row = abha_profiles.note(
                tx, adapter, told, source="share", hip_id=hip_id, verified=True
            )
        except Conflict as error:
            raise MultiplePatients(error.sentence) from error
        if not row.linked:
            abha_profiles.change(tx, row.id, due_at=now)
        token = queue_tokens.issue(
            tx,
            hip_id=hip_id,
            counter=message.counter,
            day=now.astimezone(adapter.config.hims_zone).date().isoformat(),
            profile_id=row.id,
            now=now,
            life=TOKEN_LIFE,
        )
        reply = ProfileOnShareRequest(
            abha_address=message.patient.abha_address,
            counter=message.counter,
            token_number=str(token.number),
            expires_in=max(int((token.expires_at - now).total_seconds()), 1),
        )
        outbox.queue(tx, adapter, envelope.reply(), reply, deadline=REPLY)
        abha_linking.request_token(adapter, tx, hip_id, told)

    return commit


def refuse(
    _envelope: Envelope, message: ProfileShare, error: str
) -> tuple[ProfileOnShareRequest, timedelta]:
    """ProfileOnShareRequest with the error and no number."""
    return ProfileOnShareRequest(message.patient.abha_address, error=error), REPLY


HANDLER = Handler(on_profile_share, refuse, PATIENCE)
