"""A store behind TLS, by a certificate of one's own, with its bucket in the host name, and a key service."""

import json
import os
import secrets
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.contract.seaweed import BUCKET, CREDENTIALS, SeaweedServer, environment
from trainer.contract.objects.open import Presigning, open_store
from trainer.contract.objects.s3 import PART
from trainer.contract.objects.store import AlreadyExists, ObjectStore, StoreUnavailable

DOMAIN = "s3.test"
"""Resolved by `resolving` alone."""

ADMINISTRATOR = {
    "name": "residual",
    "credentials": [
        {
            "accessKey": CREDENTIALS["AWS_ACCESS_KEY_ID"],
            "secretKey": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        }
    ],
    "actions": ["Admin"],
}
KEY_SERVICE = {
    "default_provider": "local",
    "providers": {"local": {"type": "local", "enableOnDemandCreate": True}},
}
"""SeaweedFS's own, which makes a key when it is first named."""


@dataclass(frozen=True)
class Secured:
    """A running store."""

    port: int
    folder: Path
    """Where it keeps what it is given."""
    authority: Path
    """Whose certificates are to be trusted."""

    def open(self, url: str, *, host: str = "127.0.0.1", trusted: bool = True) -> ObjectStore:
        said = environment(f"https://{host}:{self.port}")
        if trusted:
            said["AWS_CA_BUNDLE"] = str(self.authority)
        with patch.dict(os.environ, said):
            return open_store(url, Presigning())


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = _certificate(folder)
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [ADMINISTRATOR], "kms": KEY_SERVICE}))
    flags = (
        *(f"-s3.cert.file={certificate}", f"-s3.key.file={key}"),
        *(f"-s3.domainName={DOMAIN}", f"-s3.config={config}"),
    )
    server = SeaweedServer(folder, flags=flags, scheme="https")
    try:
        with patch.dict(os.environ, {"AWS_CA_BUNDLE": str(certificate)}):
            server.start()
        yield Secured(server.ports["s3.port"], folder, certificate)
    finally:
        server.kill()


@pytest.fixture
def resolving() -> Iterator[set[str]]:
    """Names below `DOMAIN` are this machine, as by a name server's wildcard; which were asked for."""
    asked: set[str] = set()
    resolve = socket.getaddrinfo

    def resolved(host: Any, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if isinstance(name, str) and name.endswith(DOMAIN):
            asked.add(name)
            host = "127.0.0.1"
        return resolve(host, *rest, **more)

    with patch.object(socket, "getaddrinfo", resolved):
        yield asked


def test_a_store_of_ones_own_authority_is_used_when_that_is_named(
    secured: Secured, key: str, tmp_path: Path
) -> None:
    store = secured.open(f"s3://{BUCKET}/tls")
    store.create(key, b"0123456789")
    with pytest.raises(AlreadyExists):
        store.create(key, b"")
    assert store.get(key, 3) == b"3456789"
    (tmp_path / "large").write_bytes(bytes(PART + 1))
    store.upload(f"{key}/parts", tmp_path / "large")
    store.download(f"{key}/parts", tmp_path / "again")
    assert (tmp_path / "again").stat().st_size == PART + 1
    trust = ssl.create_default_context(cafile=secured.authority)
    url = str(store.presigned(key, timedelta(minutes=1)))
    assert httpx.get(url, verify=trust).content == b"0123456789"


def test_a_certificate_that_nobody_vouches_for_is_said_to_be_that(secured: Secured) -> None:
    store = secured.open(f"s3://{BUCKET}/tls", trusted=False)
    with pytest.raises(StoreUnavailable, match="not trusted: set AWS_CA_BUNDLE"):
        store.get("key")


def test_the_bucket_may_be_part_of_the_hosts_name(
    secured: Secured, resolving: set[str], key: str, tmp_path: Path
) -> None:
    store = secured.open(f"s3://{BUCKET}/tls?addressing=virtual", host=DOMAIN)
    store.create(key, b"0123456789")
    (tmp_path / "large").write_bytes(bytes(PART + 1))
    store.upload(f"{key}/parts", tmp_path / "large")
    sizes = [found.size for found in store.list(key)]
    assert sizes == [10, PART + 1]
    assert resolving == {f"{BUCKET}.{DOMAIN}"}
    assert secured.open(f"s3://{BUCKET}/tls").get(key) == b"0123456789"


def test_objects_are_encrypted_by_a_key_of_a_key_service(
    secured: Secured, key: str, tmp_path: Path
) -> None:
    text = secrets.token_hex(32).encode()
    (tmp_path / "large").write_bytes(text + bytes(PART))
    for name, query, kept in (("plain", "", True), ("kms", "?sse=aws:kms&kms_key_id=ours", False)):
        store = secured.open(f"s3://{BUCKET}/{name}{query}")
        store.create(key, name.encode() + text)
        store.upload(f"{key}/parts", tmp_path / "large")
        assert store.get(key) == name.encode() + text
        assert store.get(f"{key}/parts")[:64] == text
        assert _lies_in(secured.folder, name.encode() + text) is kept
        again = secured.open(f"s3://{BUCKET}/{name}")  # to read, the option is not needed
        assert again.get(key, len(name)) == text


def _lies_in(folder: Path, text: bytes) -> bool:
    """Whether any file has it."""
    return any(text in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def _certificate(folder: Path) -> tuple[Path, Path]:
    """One that vouches for itself, and its key: for this machine, and all below `DOMAIN`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Residual's tests")])
    hosts = [x509.DNSName(DOMAIN), x509.DNSName(f"*.{DOMAIN}")]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([*hosts, x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, secret
