"""The real application on a real SQLite and a real directory, with a clock that is turned and a cluster
that does as it is told. Can be killed and started again. Used by `machine`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fastapi.testclient import TestClient
from pydantic import SecretStr

from service.main import create_app
from service.parts import Outside, Parts, put_together
from service.reconcile.loop import LEASE_LASTS
from service.settings import Settings
from service.stores import open_objects
from tests.api.fakes import FakeServe
from tests.jobs.making import Clock
from tests.property.attempts import Attempts
from tests.reconcile.world import Died, FakeCluster, Fuse, Fused
from trainer.contract.objects.open import open_store

KEY = "the-key-of-these-tests"
CPUS = 4


@dataclass
class World:
    """One service, and what it stands on."""

    folder: Path
    document: dict[str, Any]
    """The application's OpenAPI document, or empty: then it is made here. It takes a second, so lives share
    it."""
    clock: Clock = field(default_factory=Clock)
    cluster: FakeCluster = field(default_factory=lambda: FakeCluster(cpus=CPUS))
    fuse: Fuse = field(default_factory=Fuse)
    parts: Parts = field(init=False)
    client: TestClient = field(init=False)
    attempts: Attempts = field(init=False)

    def __post_init__(self) -> None:
        self._start()
        objects = open_store((self.folder / "objects").as_uri())
        self.attempts = Attempts(self.cluster, objects, self.clock, self.folder)
        self.parts.reconciler.tick()

    def tick(self) -> None:
        """One look of the reconciler. If it dies in it, another program takes its place."""
        try:
            self.parts.reconciler.tick()
        except Died:
            self.restart()

    def restart(self, *, dies_at: int | None = None) -> None:
        """The program is killed, and started again; the new one dies at its `dies_at`th act."""
        self.close()
        self.fuse = Fuse(burns_at=dies_at)
        self.clock.turn(LEASE_LASTS.total_seconds())
        self._start()

    def close(self) -> None:
        self.client.close()
        self.parts.engine.dispose()

    def _fused_store(self, settings: Settings) -> Any:
        return Fused(open_objects(settings), self.fuse, ["put", "create"])

    def _start(self) -> None:
        settings = Settings(data_dir=self.folder, api_key=SecretStr(KEY), database_url=None)
        cluster: Any = Fused(self.cluster, self.fuse, ["submit", "stop"])
        outside = Outside(cluster, FakeServe(), "http://127.0.0.1:9", lambda: True)
        with (
            patch("service.parts.utc_now", self.clock),
            patch("service.stores.open_objects", self._fused_store),
        ):
            self.parts = put_together(settings, outside)
        headers = {"Authorization": f"Bearer {KEY}"}
        app = create_app(self.parts)
        if not self.document:
            self.document |= app.openapi()
        app.openapi_schema = self.document
        self.client = TestClient(app, headers=headers)
