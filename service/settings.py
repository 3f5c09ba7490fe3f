"""Every setting of the service. Each is an environment variable `RESIDUAL_…` as well, or the file that
`RESIDUAL_…_FILE` names."""

import os
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from trainer.contract.serving import Engine

PREFIX = "RESIDUAL_"


class Settings(BaseSettings):
    """Read from the environment; the command line's options win over it, and it wins over files."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )

    host: str = "127.0.0.1"
    """Address that the API listens on."""
    port: int = Field(default=8080, ge=0, le=65_535)
    """Port that the API listens on; 0 takes a free one."""
    data_dir: Path = Path("~/.residual")
    """Directory of the database, the local object store, the key and logs."""
    api_key: SecretStr | None = None
    """The administrator's key. Default: made at first start and kept in the data directory."""
    metrics_key: SecretStr | None = None
    """Opens /metrics and nothing else, for Prometheus. Default: made at first start and kept in the data
    directory."""
    database_url: str | None = None
    """SQLAlchemy URL, as postgresql+psycopg://user@host/db. Default: SQLite in the data directory."""
    storage_url: str | None = None
    """file:///directory or s3://bucket/prefix, and after '?' addressing, checksums, sse, kms_key_id. S3's
    keys, endpoint and CA are AWS_… variables. Default: a directory in the data directory."""
    storage_presign: bool = True
    """Whether clients get URLs of S3 to download from, each for one object and 15 minutes; otherwise
    the service passes the bytes on."""
    storage_public_endpoint: str | None = None
    """S3 as clients reach it, for example https://objects.example.com. Default: as the service does."""
    ray_address: str | None = None
    """Ray's dashboard, for example http://head:8265. Default: a Ray of its own is started."""
    ray_token: SecretStr | None = None
    """Token of the Ray cluster at `ray_address`."""
    serve_address: str | None = None
    """Ray Serve's HTTP proxy, for example http://head:8000. Needed with `ray_address`."""
    reconcile_interval_s: float = Field(default=0.5, gt=0, le=60)
    """Seconds between two looks of the reconciler."""
    replica_cpus: float = Field(default=0, ge=0, le=64)
    """CPUs that a serving replica reserves. On a laptop it shares those of training."""
    replica_gpus: float = Field(default=0, ge=0, le=8)
    """GPUs that a serving replica reserves; 0 serves on CPUs."""
    serve_engine: Engine = "auto"
    """What replicas compute with. `auto` measures what suits the machine and takes the fastest that answers
    as the network does."""
    otlp_endpoint: str | None = None
    """Where traces go, by OTLP over HTTP, for example http://collector:4318. Default: what the environment
    variable OTEL_EXPORTER_OTLP_ENDPOINT says, and without that nowhere."""
    webhook_hosts: str = ""
    """Where webhooks may lead: host (any port) or host:port, separated by commas. Default: nowhere."""
    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    """Bytes of a JSON request's body at most."""
    max_image_bytes: int = Field(default=20 << 20, ge=1024)
    """Bytes of a request to /predict or /v2 at most."""

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, given: dict[str, Any]) -> dict[str, Any]:
        """What is not given, from its file. Raises ValueError for one that cannot be read."""
        found = {}
        for name in cls.model_fields.keys() - given.keys():
            variable = f"{PREFIX}{name.upper()}_FILE"
            if path := os.environ.get(variable):
                try:
                    found[name] = Path(path).read_text().strip()
                except OSError as error:
                    raise ValueError(
                        f"{variable}: cannot read {path} ({error.strerror})"
                    ) from error
        return found | given
