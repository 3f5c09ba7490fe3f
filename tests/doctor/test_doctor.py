"""Each check is seen to fail, and says how to mend it; and none says a secret."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from service.cli.main import commands
from service.doctor.checks import CHECKS, look
from service.doctor.finding import Case, Descriptors, Machine, Status
from service.local.instance import announce, prepare
from service.settings import Settings
from trainer.contract.objects.local import LocalStore

SECRET = "the-secret-of-these-tests"
ROOM = 1 << 40


def missing(name: str) -> str:
    raise PackageNotFoundError(name)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A machine on which all is well."""
    (tmp_path / "lock").write_text("ray==2.60.0\ntorch==2.15.0 ; sys_platform == 'linux'\n")
    locked = {"ray": "2.60.0", "torch": "2.15.0+cpu"}
    machine = Machine(
        environ={"RESIDUAL_PORT": "0", "PATH": "/bin"},
        lock=tmp_path / "lock",
        installed=lambda name: locked.get(name, "1.0"),
        compiled=lambda name: True,
        free=lambda path: ROOM,
        shared_memory=tmp_path,
        temp=Path("/tmp"),
        descriptors=Descriptors(65_536, 65_536),
        gpus=lambda: 0,
    )
    return Case(Settings(data_dir=tmp_path / "data", port=0), machine)


def on(case: Case, **other: Any) -> Case:
    return replace(case, machine=replace(case.machine, **other))


def under(case: Case, **other: Any) -> Case:
    return replace(case, settings=case.settings.model_copy(update=other))


def finds(name: str, case: Case, status: Status, *words: str) -> None:
    found = look(name, case)
    assert found.status == status, found
    assert (found.remedy is None) == (status == "ok"), found
    assert all(word in found.said for word in words), found


def test_a_machine_that_is_well_has_no_finding(case: Case) -> None:
    assert {name: look(name, case).status for name in CHECKS} == dict.fromkeys(CHECKS, "ok")


def test_a_misspelt_setting_is_named_with_the_one_that_was_meant(case: Case) -> None:
    wrong = on(case, environ={"RESIDUAL_STORAGE_ULR": SECRET})
    finds("settings", wrong, "broken", "RESIDUAL_STORAGE_ULR")
    assert "RESIDUAL_STORAGE_URL" in str(look("settings", wrong).remedy)


def test_half_of_a_cluster_is_found(case: Case) -> None:
    finds("settings", under(case, ray_address="http://127.0.0.1:1"), "broken", "RAY_ADDRESS")


def test_other_versions_than_the_locks_are_named(case: Case) -> None:
    finds(
        "versions", on(case, installed=lambda name: "1.0"), "warning", "ray 1.0 in place of 2.60.0"
    )
    finds("versions", on(case, installed=missing), "broken", "ray is not installed")
    finds("versions", on(case, lock=Path("/nowhere")), "ok")


def test_packages_without_bytecode_are_named(case: Case) -> None:
    finds("bytecode", on(case, compiled=lambda name: name != "ray"), "warning", "ray")
    finds("bytecode", on(case, environ={"PYTHONDONTWRITEBYTECODE": "1"}), "warning")


@pytest.mark.parametrize("name", ["disk", "temporary files"])
def test_little_room_is_a_warning_and_none_is_broken(case: Case, name: str) -> None:
    finds(name, on(case, free=lambda path: 5 << 30), "warning", "5.4 GB")
    finds(name, on(case, free=lambda path: 5 << 20), "broken", "0.0 GB")


def test_a_containers_usual_shared_memory_is_too_little(case: Case) -> None:
    finds("shared memory", on(case, free=lambda path: 64 << 20), "warning", "67 MB")


def test_a_long_path_is_too_long_for_rays_sockets(case: Case, tmp_path: Path) -> None:
    long = tmp_path / ("long" * 20)
    long.mkdir()
    finds("sockets", on(case, temp=long), "broken", "too long")
    finds("sockets", on(case, temp=tmp_path / "nowhere"), "broken", "cannot be written")


def test_few_open_files_are_found(case: Case) -> None:
    finds("open files", on(case, descriptors=Descriptors(2048, 4096)), "warning", "2048")
    finds("open files", on(case, descriptors=Descriptors(256, 4096)), "broken", "256")


def test_a_data_directory_that_others_may_enter_is_found(case: Case) -> None:
    data = case.places.data_dir
    data.mkdir(mode=0o700)
    finds("data directory", case, "ok")
    data.chmod(0o755)
    finds("data directory", case, "warning")
    data.chmod(0o777)
    finds("data directory", case, "broken", "everybody")
    finds("data directory", under(case, data_dir=case.machine.lock), "broken")


def test_a_key_that_others_can_read_is_broken(case: Case) -> None:
    prepare(case.places.data_dir)
    (case.places.data_dir / "api-key").write_text(SECRET)
    (case.places.data_dir / "api-key").chmod(0o600)
    finds("keys", case, "ok", "api-key")
    case.places.ray_token.write_text(SECRET)
    case.places.ray_token.chmod(0o644)
    finds("keys", case, "broken", "ray-token")


def test_a_port_that_is_taken_is_found_unless_the_service_has_it(case: Case) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = under(case, port=taken.getsockname()[1])
        finds("port", busy, "broken", "in use")
        places = prepare(case.places.data_dir)
        announce(places, "http://127.0.0.1:1")
        finds("port", busy, "ok", f"process {os.getpid()}")


def test_a_database_that_is_away_is_found_and_its_password_is_not_shown(case: Case) -> None:
    url = f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/db"
    finds("database", under(case, database_url=url), "broken", "does not answer")
    finds("database", under(case, database_url="mysql://x"), "broken", "mysql")


def test_a_database_of_a_later_version_is_found(case: Case, sqlite: Engine) -> None:
    its = under(case, database_url=str(sqlite.url))
    finds("database", its, "ok", "at revision")
    with sqlite.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    finds("database", its, "broken", "9999")
    with sqlite.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    finds("database", its, "ok", "is brought to revision")


def test_a_store_that_cannot_be_written_or_is_none_is_found(case: Case, tmp_path: Path) -> None:
    finds("object store", under(case, storage_url=tmp_path.as_uri()), "ok", "second create")
    assert list(LocalStore(tmp_path).list("probes/")) == []
    finds("object store", under(case, storage_url="file:///proc/self"), "broken", "cannot write")
    finds("object store", under(case, storage_url="ftp://x"), "broken", "no object store")


class Answers(BaseHTTPRequestHandler):
    """As a Ray of another version, with a clock that is behind, and no Serve."""

    def do_GET(self) -> None:
        opens = self.headers.get("Authorization") in {None, f"Bearer {SECRET}"}
        self.send_response(200 if opens else 403)
        self.send_header(
            "Date", format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
        )
        self.end_headers()
        self.wfile.write(b'{"ray_version": "2.1.0", "proxies": {}}')

    def send_response(self, code: int, message: str | None = None) -> None:
        self.send_response_only(code, message)  # without its own Date

    def log_message(self, *words: object) -> None:
        """Says nothing."""


@pytest.fixture
def stranger() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def of(case: Case, address: str, token: str = SECRET) -> Case:
    return under(case, ray_address=address, serve_address=address, ray_token=SecretStr(token))


def test_a_ray_of_another_version_a_wrong_token_and_none_at_all_are_told_apart(
    case: Case, stranger: str
) -> None:
    finds("ray", of(case, stranger), "broken", "runs Ray 2.1.0, and this program has 2.60.0")
    finds("ray", of(case, stranger, "another"), "broken", "refuses the token")
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        finds("ray", of(case, nobody), "broken", "does not answer")
        finds("gpus", of(case, nobody), "warning", "cannot be counted")
    finds("ray serve", of(case, stranger), "broken", "no proxy")


def test_a_store_whose_clock_is_off_is_found(case: Case, stranger: str) -> None:
    env = {"AWS_ENDPOINT_URL": stranger}
    finds(
        "store's clock",
        under(on(case, environ=env), storage_url="s3://b"),
        "broken",
        "360",
        "s off",
    )


def test_a_check_that_fails_itself_is_a_finding(case: Case) -> None:
    def fails(_: Path) -> int:
        raise RuntimeError("no")

    finds("disk", on(case, free=fails), "broken", "could not be looked at")


def test_the_command_tells_programs_too_and_its_exit_status_says_whether_anything_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESIDUAL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RESIDUAL_DATABASE_URL", f"postgresql://me:{SECRET}@127.0.0.1:1/db")
    monkeypatch.setenv("RESIDUAL_API_KEY", SECRET)
    done = CliRunner().invoke(commands, ["doctor", "--json"])
    found = {each["check"]: each["status"] for each in json.loads(done.stdout)}
    assert (done.exit_code, found["database"], found.keys()) == (1, "broken", CHECKS.keys())
    assert SECRET not in done.output
    lines = CliRunner().invoke(commands, ["doctor"])
    assert lines.exit_code == 1
    assert SECRET not in lines.output
    assert "BROKEN   database" in lines.output


def test_a_value_that_no_setting_takes_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RESIDUAL_PORT", SECRET)
    done = CliRunner().invoke(commands, ["doctor"])
    assert done.exit_code == 1
    assert "RESIDUAL_PORT" in done.output
    assert SECRET not in done.output
