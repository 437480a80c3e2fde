"""Keys are changed without losing anything: every sealed value comes under the new key."""

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa
from click.testing import CliRunner

from adapter.cli import main
from adapter.crypto.sealing import Sealer, generate_seal_key
from adapter.protocol.messages import Envelope, HipConsentOnNotifyRequest
from adapter.runtime import Adapter
from adapter.stores import outbox, sealed
from adapter.stores.db import metadata
from tests import rig

#: Ciphertext of ABDM's own encryption, kept as it travels.
CIPHERTEXT = {"page_chunk.data", "incoming_chunk.data", "incoming_page.frame"}
OLD, NEW = generate_seal_key(), generate_seal_key()


def with_messages(database_url: str, number: int, keys: str) -> Adapter:
    adapter = rig.adapter_over(database_url, seal_keys=keys)
    with adapter.db.transaction() as tx:
        for _ in range(number):
            outbox.queue(
                tx,
                adapter,
                Envelope("v3", hip_id=rig.HIP_ID),
                HipConsentOnNotifyRequest(str(uuid4())),
                deadline=outbox.AUDIT_DEADLINE,
            )
    return adapter


def bodies(adapter: Adapter) -> list[bytes]:
    with adapter.db.reading() as tx:
        return list(tx.scalars(sa.select(outbox.outbox.c.body).order_by(outbox.outbox.c.id)))


def test_every_binary_column_is_sealed_or_known_ciphertext() -> None:
    binary = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, sa.LargeBinary)
    }
    known = {f"{column.table.name}.{column.name}" for column in sealed.SEALED}
    assert binary == known | CIPHERTEXT
    assert not known & CIPHERTEXT


def test_after_rotation_the_new_key_alone_opens_everything(database_url: str) -> None:
    number = sealed.BATCH * 2 + 3
    adapter = with_messages(database_url, number, OLD)
    before = [adapter.sealer.open(body) for body in bodies(adapter)]
    both = replace(adapter, sealer=Sealer([NEW, OLD]))
    assert sealed.count(both) == number
    assert sealed.rotate(both) == (number, [])
    only_new = Sealer([NEW])
    assert [only_new.open(body) for body in bodies(adapter)] == before
    adapter.db.close()


def test_a_value_whose_key_is_gone_is_counted_and_left(tmp_path: Path) -> None:
    adapter = with_messages(rig.sqlite_url(tmp_path), 1, OLD)
    before = bodies(adapter)
    assert sealed.rotate(replace(adapter, sealer=Sealer([NEW]))) == (0, ["outbox.body: 1"])
    assert bodies(adapter) == before


def test_the_command_says_how_many_and_fails_for_what_it_could_not_open(tmp_path: Path) -> None:
    url = rig.sqlite_url(tmp_path)
    with_messages(url, 2, OLD).db.close()
    env = {
        "DATABASE_URL": url,
        "ABDM_CLIENT_ID": "SBX_000001",
        "ABDM_CLIENT_SECRET": "secret-of-a-test",
        "ABDM_FACILITIES": rig.HIP_ID,
    }
    runner = CliRunner()
    well = runner.invoke(
        main, ["keys", "rotate", "--json"], env={**env, "SEAL_KEYS": f"{NEW},{OLD}"}
    )
    assert (well.exit_code, well.stdout) == (0, '{"sealed": 2, "unopened": []}\n')
    badly = runner.invoke(main, ["keys", "rotate"], env={**env, "SEAL_KEYS": OLD})
    assert badly.exit_code == 1
    assert "outbox.body: 2" in badly.output
