"""Every address and secret, from `TALLYWIRE_*` environment variables; nothing else reads the environment.

On one machine `tallywire up` sets them all for its children. At scale the chart does.
"""

from functools import lru_cache
from pathlib import Path
from uuid import UUID

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Addresses are URLs with credentials, hence secret: printing the settings prints stars."""

    model_config = SettingsConfigDict(env_prefix="TALLYWIRE_", extra="ignore", frozen=True)

    postgres_url: SecretStr = Field(
        SecretStr("postgresql://tallywire@127.0.0.1:8432/tallywire"),
        description="the owner of the schema: migrations and the first organization, never a serving process",
    )
    postgres_app_url: SecretStr = Field(
        SecretStr("postgresql://tallywire_app@127.0.0.1:8432/tallywire"),
        description="role tallywire_app: owns nothing, row-level security confines it to one organization",
    )
    postgres_relay_url: SecretStr = Field(
        SecretStr("postgresql://tallywire_relay@127.0.0.1:8432/tallywire"),
        description="role tallywire_relay: reads and marks the outbox, reads write keys and which content exists",
    )
    postgres_import_url: SecretStr = Field(
        SecretStr("postgresql://tallywire_import@127.0.0.1:8432/tallywire"),
        description="role tallywire_import: brings in pieces that were published elsewhere; only `api serve` needs it",
    )
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:8479/0")
    rabbitmq_url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:8472/")
    kafka_url: SecretStr = SecretStr("kafka://127.0.0.1:8492")
    clickhouse_url: SecretStr = SecretStr("http://tallywire@127.0.0.1:8423/default")

    api_url: str = "http://127.0.0.1:8400"
    ingestion_url: str = "http://127.0.0.1:8401"
    web_url: str = Field("http://127.0.0.1:8402", description="where people open Tallywire; links lead there")
    signing_keys_file: Path | None = Field(None, description="JSON Web Key Set, private keys that sign tokens")
    encryption_keys: SecretStr = Field(
        SecretStr(""),
        description="secrets of 32 characters or more, separated by commas, that encrypt second factors, and answers "
        "that may be asked for again, in PostgreSQL: the first encrypts, all decrypt; without one there are neither",
    )
    oidc_issuer: str = Field("", description="the identity provider, as it names itself; empty: there is none")
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    oidc_redirect_url: str = Field("", description="where it sends browsers back to; WEB_URL/sign-in/oidc if empty")
    oidc_organization_id: UUID | None = Field(None, description="whose users it signs in")
    api_keys_per_user: int = Field(50, ge=0, description="in force at once; one more is answered 409")
    trusted_proxies: str = Field(
        "", description="addresses, separated by commas, whose X-Forwarded-For the API believes; empty: nobody's"
    )

    ingestion_events_per_second: int = Field(
        200_000, gt=0, description="of one organization, at one collector; more is answered 429"
    )
    ingestion_memory_bytes: int = Field(
        64 * 1024 * 1024, gt=0, description="request bodies under way at one collector; more is answered 503"
    )

    streams_bad_in_a_row: int = Field(
        20, ge=0, description="bad messages of a partition, one after the other, before processing stops; 0: never"
    )
    streams_state_bytes: int = Field(
        1 << 30,
        gt=0,
        description="what a worker keeps at hand of ids and counts; the ledger has the rest",
    )

    verify_every: str = Field(
        "15m", pattern=r"^[1-9][0-9]*[smh]$", description="how often everything is compared: 90s, 15m, 2h"
    )

    host: str = "127.0.0.1"
    port: int = Field(0, description="where this process listens; 0 is the folder's default")
    metrics_port: int = Field(0, description="where this process serves /metrics; 0 serves none")
    log_level: str = "info"
    worker_name: str = Field(
        "worker-1", description="stable name of this replica, for static group membership and logs"
    )
    state_dir: Path = Field(Path("data/run"), description="scratch folder of this process; losing it loses nothing")


@lru_cache
def settings() -> Settings:
    """The process's settings, read from the environment once.

    Raises `pydantic.ValidationError` naming the variable that does not parse.
    """
    return Settings()
