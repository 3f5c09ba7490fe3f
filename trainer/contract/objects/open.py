"""From a URL to an object store: `file:///directory` or `s3://bucket/prefix`."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import ObjectStore


def open_store(url: str) -> ObjectStore:
    """The store behind a URL. Raises ValueError for any other scheme."""
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc:
        return LocalStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        from trainer.contract.objects import s3  # boto3 costs 0.3 s that a laptop need not pay

        return s3.connect(parts.netloc, parts.path)
    raise ValueError(f"'{url}' is no object store; use file:///directory or s3://bucket/prefix")
