"""Everything the service is made of, put together once. `main` and its routes use it."""

import os
import random
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import httpx
from anyio import to_thread
from sqlalchemy import Engine

from service import auth, stores
from service.auth import Authenticate
from service.catalogue.service import Catalogue
from service.clock import utc_now
from service.cluster.cluster import Cluster
from service.cluster.ray_rest import RayRest
from service.db.leases import Leases
from service.deployments import serve as ray_serve
from service.deployments.known import Known
from service.deployments.plan import ReplicaOptions
from service.deployments.rollout import Rollout
from service.deployments.serve import Serve
from service.deployments.service import Deployments
from service.deployments.store import DeploymentStore
from service.ids import new_id, new_job_id
from service.inference.service import Inference
from service.jobs import listening
from service.jobs.service import Jobs
from service.jobs.store import JobStore
from service.keys.quotas import Quotas
from service.keys.service import Keys
from service.keys.store import KeyStore
from service.local.ray_serve import serve_answers
from service.metrics import database as measured_database
from service.metrics import tally
from service.metrics.cluster import MeasuredCluster
from service.metrics.gauges import Gauges
from service.metrics.instruments import Instruments
from service.metrics.objects import MeasuredStore
from service.models.service import Models
from service.models.store import ModelStore
from service.predict import ways
from service.predict.room import ON_A_CPU, ON_A_GPU, Room
from service.predict.service import Predictor
from service.reconcile import line
from service.reconcile.attend import Attendant
from service.reconcile.loop import Reconciler
from service.settings import Settings
from service.sweeps.ending import Endings
from service.sweeps.follow import Follower
from service.sweeps.rendering import Renderer
from service.sweeps.service import Sweeps
from service.sweeps.store import TrialStore
from service.system.service import (
    System,
    check_database,
    check_ray,
    check_serve,
    check_store,
    write_database,
)
from service.system.writing import Sparing
from service.tracing import facts, otlp
from service.tracing.tracer import Tracer
from service.webhooks import hosts, signing
from service.webhooks.delivery import Messenger
from service.webhooks.outbox import Outbox
from service.webhooks.sender import Sender
from service.webhooks.service import Webhooks
from service.webhooks.store import WebhookStore
from trainer.contract.objects.store import ObjectStore


@dataclass(frozen=True)
class Parts:
    """What an application is made of."""

    settings: Settings
    authenticate: Authenticate
    scraper: Authenticate
    engine: Engine
    jobs: Jobs
    sweeps: Sweeps
    models: Models
    deployments: Deployments
    predictor: Predictor
    inference: Inference
    catalogue: Catalogue
    webhooks: Webhooks
    keys: Keys
    system: System
    instruments: Instruments
    tracer: Tracer | None
    """None: nobody wants traces."""
    reconciler: Reconciler

    async def close(self) -> None:
        """Let go of connections; the parts are of no use afterwards."""
        if self.tracer:
            await to_thread.run_sync(self.tracer.close)
        await self.predictor.close()
        self.engine.dispose()


@dataclass(frozen=True)
class Outside:
    """What the service does not make itself: the cluster, and how to see whether Serve answers."""

    cluster: Cluster
    serve: Serve
    serve_address: str
    serve_answers: Callable[[], bool]


def assemble(settings: Settings) -> Parts:
    """The parts for complete settings: `ray_address` and `serve_address` lead to a running Ray.
    Brings the database up to date, and makes the administrator's key at first start."""
    return put_together(settings, _outside(settings))


def put_together(settings: Settings, outside: Outside) -> Parts:
    """The parts around a cluster."""
    instruments = Instruments()
    engine = stores.open_database(settings)
    measured_database.measure(engine, instruments)
    storage_url = stores.storage_url(settings)
    objects = MeasuredStore(stores.open_objects(settings), instruments)
    cluster = MeasuredCluster(outside.cluster, instruments)
    tracer = _tracer(settings, engine, objects)
    listeners = [instruments.moved, listening.log, *([tracer.moved] if tracer else [])]
    moved = listening.to_all(*listeners)
    store, registered = JobStore(engine, moved=moved), ModelStore(engine)
    trials = TrialStore(engine, moved=moved)
    keys, webhooks = _keys(engine), _webhooks(engine, settings)
    quotas = Quotas(keys.store)
    sent = instruments.webhook_tries
    sender = Sender(
        Outbox(engine), webhooks.messenger, utc_now, count=lambda result: sent.labels(result).inc()
    )
    jobs = Jobs(
        store=store,
        objects=objects,
        capacity=lambda: reconciler.capacity(),  # noqa: PLW0108 - it is made below, of `jobs` too
        clock=utc_now,
        new_id=lambda: new_job_id(utc_now(), secrets.randbits),
        registry=registered,
        check_quota=quotas.check,
        storage_url=storage_url,
    )
    models = Models(registered, objects, jobs, utc_now)
    deployed = DeploymentStore(engine)
    deployments = Deployments(deployed, models, utc_now)
    options = ReplicaOptions(
        storage_url,
        settings.replica_cpus,
        settings.replica_gpus,
        settings.serve_engine,
        settings.max_image_bytes,
    )
    rollout = Rollout(deployed, outside.serve, options, utc_now)
    asked = instruments.predictions_asked
    replicas = ways.connect(outside.serve_address, count=lambda way: asked.labels(way).inc())
    room = Room(ON_A_GPU if settings.replica_gpus else ON_A_CPU)
    predictor = Predictor(Known(deployed), models, replicas, random.random, room)
    reconciler = Reconciler(
        attendant=Attendant(
            store=store,
            objects=objects,
            history=jobs.history,
            cluster=cluster,
            register=models.register_result,
            deploy=deployments.deploy_newest,
            conclude=Endings(trials, jobs.history, jobs.evaluation).conclude,
            clock=utc_now,
            storage_url=storage_url,
            first_step=instruments.first_step,
        ),
        leases=Leases(engine),
        holder=f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}",
        interval_s=settings.reconcile_interval_s,
        also=[Follower(jobs, trials, utc_now).tick, rollout.tick, sender.tick],
        quotas=quotas.of,
        instruments=instruments,
    )
    gauges = Gauges(partial(tally.take, engine), reconciler.standing, utc_now, version("residual"))
    instruments.registry.register(gauges)
    administrator = auth.administrator_key(settings)
    return Parts(
        settings=settings,
        authenticate=auth.authenticator(administrator, keys.project_of),
        scraper=auth.scraper(administrator, auth.metrics_key(settings)),
        engine=engine,
        jobs=jobs,
        sweeps=Sweeps(jobs, trials, Renderer()),
        models=models,
        deployments=deployments,
        predictor=predictor,
        inference=Inference(deployments, predictor),
        catalogue=Catalogue(objects),
        webhooks=webhooks,
        keys=keys,
        system=_system(engine, objects, jobs, outside),
        instruments=instruments,
        tracer=tracer,
        reconciler=reconciler,
    )


def _tracer(settings: Settings, engine: Engine, objects: ObjectStore) -> Tracer | None:
    found = otlp.collector(settings.otlp_endpoint, os.environ, version=version("residual"))
    if found is None:
        return None
    tracer = Tracer(found.send, partial(facts.read, engine, objects))
    tracer.start()
    return tracer


def _keys(engine: Engine) -> Keys:
    return Keys(
        store=KeyStore(engine),
        clock=utc_now,
        new_id=lambda: new_id("key", utc_now(), secrets.randbits),
        random_text=secrets.token_urlsafe,
    )


def _webhooks(engine: Engine, settings: Settings) -> Webhooks:
    """Raises ValueError when the setting names no hosts."""
    messenger = Messenger(
        hosts=hosts.parse(settings.webhook_hosts),
        trust=httpx.create_ssl_context(),
        clock=utc_now,
    )
    return Webhooks(
        store=WebhookStore(engine),
        messenger=messenger,
        clock=utc_now,
        new_id=lambda: new_id("webhook", utc_now(), secrets.randbits),
        new_secret=lambda: signing.new_secret(secrets.token_bytes),
    )


def _system(engine: Engine, objects: ObjectStore, jobs: Jobs, outside: Outside) -> System:
    writing = Sparing(lambda: write_database(engine))
    return System(
        checks={
            "database": lambda: check_database(engine, writing),
            "object_store": Sparing(lambda: check_store(objects)),
            "ray": lambda: check_ray(outside.cluster, jobs.capacity),
            "serve": lambda: check_serve(outside.serve_answers),
        },
        cluster=outside.cluster,
        line=lambda limit: line.first(jobs.store, jobs.capacity(), limit, now=utc_now()),
    )


def _outside(settings: Settings) -> Outside:
    """Raises ValueError when the settings do not lead to a cluster."""
    ray, proxy = settings.ray_address, settings.serve_address
    if ray is None or proxy is None:
        raise ValueError("set both RESIDUAL_RAY_ADDRESS and RESIDUAL_SERVE_ADDRESS, or neither")
    token = settings.ray_token.get_secret_value() if settings.ray_token else None
    return Outside(
        cluster=RayRest(ray, token),
        serve=ray_serve.connect(ray, proxy, token=token),
        serve_address=proxy,
        serve_answers=lambda: serve_answers(ray, token),
    )
