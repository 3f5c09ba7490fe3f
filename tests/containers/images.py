"""The image, built from deploy/Dockerfile; and where no image registry can be reached, stand-ins of what it
and the compose file name: Debian, its PostgreSQL and Prometheus, and SeaweedFS from the package index."""

import os
import shutil
import sys
from pathlib import Path

from tests.containers.engine import Engine
from tests.containers.manifests import ROOT, compose

PYTHON = "localhost/standin/python:3.11"
RESIDUAL = "localhost/residual:test"
ENTRYPOINT = Path(__file__).parent / "files" / "postgres-entrypoint.sh"
PACKAGES = "python3,python3-pip,python3-venv,ca-certificates"
POSTGRES = """
groupadd -g 999 postgres && useradd -u 999 -g 999 -d /var/lib/postgresql postgres
apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql >/dev/null
rm -rf /var/lib/apt/lists/* /var/lib/postgresql/*
install -d -o 999 -g 999 -m 1777 /var/lib/postgresql/data
ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/
"""
PROMETHEUS = """
apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus >/dev/null
rm -rf /var/lib/apt/lists/*
install -d -o 65534 -g 65534 /prometheus
"""
BUILD = ("--isolation", "chroot", "--network", "host")
"""Needs no network of its own, and no right to set limits."""
CERTIFICATES = Path("/etc/ssl/certs")
LONG_S = 1800


def python(engine: Engine) -> None:
    """In place of python:3.11-slim-bookworm."""
    root = engine.folder / "debian"
    words = ("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root))
    engine.run(*words, timeout_s=LONG_S)
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    (root / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()
    engine.run("tar", "-C", str(root), "-cf", str(engine.folder / "debian.tar"), ".")
    engine.run("podman", "import", "-q", str(engine.folder / "debian.tar"), PYTHON, timeout_s=600)
    shutil.rmtree(root)
    (engine.folder / "debian.tar").unlink()


def postgres(engine: Engine, name: str) -> None:
    made = engine.run("buildah", "from", PYTHON)
    engine.run("buildah", "run", *BUILD, made, "--", "sh", "-ec", POSTGRES, timeout_s=LONG_S)
    engine.run("buildah", "copy", "-q", made, str(ENTRYPOINT), "/usr/local/bin/entrypoint")
    words = ("--entrypoint", '["entrypoint"]', "--cmd", "postgres -c listen_addresses=*")
    more = ("--volume", "/var/lib/postgresql/data", "--env", "PATH=/usr/local/bin:/usr/bin:/bin")
    engine.run("buildah", "config", *words, *more, made)
    engine.run("buildah", "commit", "-q", "--rm", made, name, timeout_s=600)


def prometheus(engine: Engine, name: str) -> None:
    made = engine.run("buildah", "from", PYTHON)
    engine.run("buildah", "run", *BUILD, made, "--", "sh", "-ec", PROMETHEUS, timeout_s=LONG_S)
    words = ("--entrypoint", '["prometheus"]', "--user", "65534:65534", "--volume", "/prometheus")
    engine.run("buildah", "config", *words, made)
    engine.run("buildah", "commit", "-q", "--rm", made, name, timeout_s=600)


def seaweedfs(engine: Engine, name: str) -> None:
    made = engine.run("buildah", "from", "scratch")
    weed = str(Path(sys.executable).with_name("weed"))
    engine.run("buildah", "copy", "-q", made, weed, "/usr/bin/weed", timeout_s=600)
    engine.run("buildah", "config", "--env", "PATH=/usr/bin", made)
    engine.run("buildah", "commit", "-q", "--rm", made, name, timeout_s=600)


def residual(engine: Engine) -> None:
    """From the Dockerfile as it is, with this machine's certificates while packages are fetched."""
    (engine.folder / "uv.toml").write_text("system-certs = true\n")
    mounts = [f"--volume={CERTIFICATES}:{CERTIFICATES}:ro"]
    mounts += [f"--volume={engine.folder}/uv.toml:/etc/uv/uv.toml:ro"]
    if (pip := Path("/etc/pip.conf")).exists():
        mounts += [f"--volume={pip}:{pip}:ro"]
    words = ("--build-arg", f"PYTHON_IMAGE={PYTHON}", "-f", f"{ROOT}/deploy/Dockerfile")
    how = ("--layers", "--format=docker", *BUILD, *mounts)  # the other format knows no HEALTHCHECK
    command = ("buildah", "build", *how, *words, "-t", RESIDUAL, str(ROOT))
    engine.run(*command, timeout_s=LONG_S)


def all_of_them(engine: Engine) -> None:
    """What is there already is not made again; the project's own is, unless KEEP_IMAGE is set."""
    named = {name: f"docker.io/{image(name)}" for name in ("database", "storage", "prometheus")}
    if not engine.has(PYTHON):
        python(engine)
    if not engine.has(named["database"]):
        postgres(engine, named["database"])
    if not engine.has(named["storage"]):
        seaweedfs(engine, named["storage"])
    if not engine.has(named["prometheus"]):
        prometheus(engine, named["prometheus"])
    if os.environ.get("KEEP_IMAGE") is None or not engine.has(RESIDUAL):
        residual(engine)


def image(service: str) -> str:
    """What compose calls it, as the engine spells it."""
    return spelled(compose()["services"][service]["image"])


def spelled(image: str) -> str:
    """Docker's own have a folder of their own."""
    return image if "/" in image else f"library/{image}"
