"""Makes the secrets of a new installation, once: files for compose, Secrets for Kubernetes. What is there
already stays. Run by their one-shot `secrets` containers; loads nothing but the standard library."""

import argparse
import base64
import json
import os
import secrets
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT_S = 10

Files = Mapping[str, str]
"""Name of a file → what is in it."""


def api(token: Callable[[], str]) -> Files:
    return {"key": token()}


def metrics(token: Callable[[], str]) -> Files:
    """Opens the API's `/metrics` to Prometheus, and nothing else."""
    return {"key": token()}


def ray(token: Callable[[], str]) -> Files:
    return {"token": token()}


def database(token: Callable[[], str]) -> Files:
    """PostgreSQL's own password, and where the service finds it. In one piece, so that they agree."""
    password = token()
    return {
        "password": password,
        "url": f"postgresql+psycopg://residual:{password}@database:5432/residual",
    }


def storage(token: Callable[[], str]) -> Files:
    """SeaweedFS's only identity, as it reads it and as AWS's libraries do. It makes its own bucket, which
    SeaweedFS allows to an administrator of all buckets only."""
    key, secret = token()[:20], token()
    identity = {
        "name": "residual",
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": ["Admin"],
    }
    return {
        "s3.json": json.dumps({"identities": [identity]}),
        "credentials": f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n",
    }


def grafana(token: Callable[[], str]) -> Files:
    return {"password": token()}


THINGS = {each.__name__: each for each in (api, metrics, ray, database, storage, grafana)}
"""Each is made whole or not at all, so that a set-up that was killed can be run again."""


def into_folders(root: Path, token: Callable[[], str]) -> list[str]:
    """Write `root/<thing>/<file>` for each folder that is there; the things that were made."""
    made = []
    for name, thing in THINGS.items():
        folder, files = root / name, thing(token)
        if not folder.is_dir() or all((folder / file).exists() for file in files):
            continue
        for file, content in files.items():
            whole = folder / f".{file}.new"
            whole.write_text(content)
            whole.chmod(0o444)  # who may see it is decided by who gets the folder
            os.replace(whole, folder / file)
        made.append(name)
    return made


def into_cluster(
    url: str, namespace: str, account: str, trust: ssl.SSLContext | None, token: Callable[[], str]
) -> list[str]:
    """Create the Secrets `residual-<thing>` with the service account's token; the things that were made.
    Raises urllib.error.URLError."""
    made = []
    for name, thing in THINGS.items():
        if name == "grafana":
            continue  # a cluster has one of its own
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": f"residual-{name}",
                "labels": {"app.kubernetes.io/part-of": "residual"},
            },
            "data": {
                file: base64.b64encode(content.encode()).decode()
                for file, content in thing(token).items()
            },
        }
        request = urllib.request.Request(  # noqa: S310 - the cluster's own address
            f"{url}/api/v1/namespaces/{namespace}/secrets",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {account}", "Content-Type": "application/json"},
        )
        try:
            urllib.request.urlopen(request, timeout=TIMEOUT_S, context=trust).close()  # noqa: S310
            made.append(name)
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.CONFLICT:
                raise
    return made


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folders", type=Path, help="a folder that has one for each thing")
    folders: Path | None = parser.parse_args(arguments).folders
    if folders is not None:
        made = into_folders(folders, secrets.token_hex)
    else:
        host, port = (os.environ[f"KUBERNETES_SERVICE_{part}"] for part in ("HOST", "PORT"))
        made = into_cluster(
            f"https://{f'[{host}]' if ':' in host else host}:{port}",
            (ACCOUNT / "namespace").read_text(),
            (ACCOUNT / "token").read_text(),
            ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt")),
            secrets.token_hex,
        )
    print(f"made: {', '.join(made) or 'nothing, all is there'}")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
