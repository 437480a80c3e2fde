"""The only wiring: builds an `Adapter` from a `Config`.

Flows receive the Adapter as an argument and reach everything outside through it; a test builds one
with a frozen clock and its own stores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from adapter.config import Config
from adapter.crypto.sealing import Sealer
from adapter.stores.db import Database
from adapter.stores.fhir_store import FhirStore
from adapter.turns import Turns
from adapter.upstream.abha_client import AbhaClient
from adapter.upstream.abha_service import AbhaService
from adapter.upstream.facility_registry import FacilityRegistry
from adapter.upstream.gateway import Gateway
from adapter.upstream.health_id_service import HealthIdService
from adapter.upstream.otp import OtpSender, Template
from adapter.upstream.push import PushClient
from mappings.checker import Demands, read_demands

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Adapter:
    """Everything a flow may use. `wake` tells the worker that there is something to do;
    `abha_services`: by generation of the gateway's interface."""

    config: Config
    clock: Clock
    db: Database
    fhir: FhirStore
    gateway: Gateway
    registry: FacilityRegistry
    abha_services: Mapping[str, AbhaClient]
    push: PushClient
    otp: OtpSender
    sealer: Sealer
    demands: Demands
    wake: Callable[[], None]
    turns: Turns = field(default_factory=Turns)

    def abha_of(self, hip_id: str) -> AbhaClient:
        """The ABHA service that the facility with this service id uses."""
        return self.abha_services[self.config.api_version_of(hip_id)]


def build(
    config: Config, *, clock: Clock = system_clock, wake: Callable[[], None] = lambda: None
) -> Adapter:
    """An Adapter from settings. Opens no connection by itself; each part connects on first use."""
    gateway = Gateway(config, clock)
    abha = AbhaService(config, gateway, clock)
    older = HealthIdService(config, gateway, clock) if config.health_service_api_url else abha
    return Adapter(
        config=config,
        clock=clock,
        db=Database(config.database_url.get_secret_value()),
        fhir=FhirStore(config.fhir_base_url, config.fhir_token.get_secret_value()),
        gateway=gateway,
        registry=FacilityRegistry(config, gateway, clock),
        abha_services={"v3": abha, "v0.5": older},
        push=PushClient(config),
        otp=OtpSender(
            Template(
                config.otp_url.get_secret_value(),
                config.otp_method,
                {name: value.get_secret_value() for name, value in config.otp_headers.items()},
                config.otp_body,
            )
        ),
        sealer=Sealer([key.get_secret_value() for key in config.seal_keys]),
        demands=_demands(),
        wake=wake,
    )


@cache
def _demands() -> Demands:
    """The tables of the quick check, which no process changes."""
    return read_demands(files("conformance.documents"))
