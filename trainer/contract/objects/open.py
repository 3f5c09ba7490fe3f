"""From a URL to an object store: `file:///directory` or `s3://bucket/prefix`. The URL travels to Ray's
processes; keys, the endpoint and certificates do not: each process finds them in its environment."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.options import Options
from trainer.contract.objects.store import ObjectStore


@dataclass(frozen=True)
class Presigning:
    """For a store whose URLs are handed out to clients."""

    endpoint: str | None = None
    """Where clients reach the store; None: where this process does."""


def open_store(url: str, presigning: Presigning | None = None) -> ObjectStore:
    """The store behind a URL; nothing is asked of it yet. Without `presigning` it has no URLs to give
    out. Raises ValueError for what is no store, and for options that S3 does not have."""
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc:
        return LocalStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and {"@", ":"} & set(parts.netloc):
        raise ValueError(
            "the storage URL has more than a bucket: keys and the endpoint belong in AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL"
        )
    if parts.scheme == "s3" and parts.netloc:
        from trainer.contract.objects import s3  # boto3 costs 0.3 s that a laptop need not pay

        options = Options.of(parts.query)
        if presigning is None:
            return s3.connect(parts.netloc, parts.path, options)
        return s3.connect(parts.netloc, parts.path, options).presigning(presigning.endpoint)
    raise ValueError(f"'{url}' is no object store; use file:///directory or s3://bucket/prefix")
