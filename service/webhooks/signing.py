"""Secrets and signatures of webhooks, by the Standard Webhooks specification, version 1."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

PREFIX = "whsec_"
SECRET_BYTES = 32
"""The specification takes 24 to 64."""


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """`random_bytes` is `secrets.token_bytes`, or a test's."""
    return PREFIX + b64encode(random_bytes(SECRET_BYTES)).decode()


def signed(secret: str, *, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows who sent `body`, when, and whether it came before."""
    sent = str(int(at.timestamp()))
    content = b".".join((message_id.encode(), sent.encode(), body))
    digest = hmac.digest(b64decode(secret.removeprefix(PREFIX)), content, sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": sent,
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
    }
