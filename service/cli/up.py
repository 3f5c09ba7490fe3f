"""`residual up`: the API, its reconciler, and unless one is given a Ray, until a signal stops it."""

import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from pydantic import SecretStr

from service.cli.logs import log_to_stderr
from service.local.failure import CannotStart
from service.local.instance import announce, held, prepare
from service.local.ports import listen, url_of
from service.local.ray_head import LocalRay, Stopped
from service.local.ray_serve import start_serve
from service.settings import Settings

WATCH_EVERY_S = 1.0
READY_LOOK_EVERY_S = 0.2
READY_TIMEOUT_S = 30.0

Say = Callable[[str], None]


def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: a free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept.")] = None,
) -> None:
    """Start the service on this machine; prints one line when it is ready.

    Defaults: 127.0.0.1, 8080, ~/.residual. Every setting is an environment variable RESIDUAL_… too.
    """
    given: dict[str, Any] = {"host": host, "port": port, "data_dir": data_dir}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    stopping, at_once = threading.Event(), threading.Event()

    def stop(*_: object) -> None:
        (at_once if stopping.is_set() else stopping).set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    log_to_stderr()
    with suppress(Stopped):
        run(settings, stopping, at_once, progress)
    progress("stopped; nothing of it is left running")


def progress(message: str) -> None:
    typer.echo(f"residual: {message}", err=True)


def run(settings: Settings, stopping: threading.Event, at_once: threading.Event, say: Say) -> None:
    """Until `stopping` is set; then nothing of it is left. What trains on a Ray of its own keeps a
    checkpoint first, unless `at_once` is set too. Raises CannotStart, Stopped."""
    # 1 s of imports that `residual key` need not pay.
    from service.cli.api_server import check_database, check_store, rest, served

    if settings.ray_address is not None and settings.serve_address is None:
        raise CannotStart("RESIDUAL_RAY_ADDRESS is set; set RESIDUAL_SERVE_ADDRESS as well")
    with ExitStack() as at_the_end:
        places = prepare(settings.data_dir)
        at_the_end.enter_context(held(places))
        listener = at_the_end.enter_context(closing(listen(settings.host, settings.port)))
        url = url_of(listener)
        announce(places, url)
        settings = settings.model_copy(update={"data_dir": places.data_dir})
        check_database(settings)
        check_store(settings)
        ray = None
        if settings.ray_address is None:
            ray = LocalRay(places, say, stopping)
            at_the_end.callback(ray.end)
            settings = with_local_ray(settings, ray)
        api = at_the_end.enter_context(served(settings, listener))
        look_after = partial(mend, api.thread, ray, say)
        if ready(settings, url, look_after, stopping, say):
            sys.stdout.write(f"ready {url}\n")
            sys.stdout.flush()
            while not stopping.wait(WATCH_EVERY_S):
                look_after()
        say("stopping")
        if ray:
            rest(api.reconciler, at_once, say)


def with_local_ray(settings: Settings, ray: LocalRay) -> Settings:
    """The settings that lead to a Ray of our own. A new one answers when this returns, and serves; an
    adopted one may not serve yet."""
    record = ray.start()
    return settings.model_copy(
        update={
            "ray_address": record.address,
            "ray_token": SecretStr(ray.token),
            "serve_address": record.serve_address,
        }
    )


def ready(
    settings: Settings,
    url: str,
    look_after: Callable[[], None],
    stopping: threading.Event,
    say: Say,
) -> bool:
    """Whether all parts answered before it was stopped; a cluster elsewhere may take its time."""
    said = ""
    with httpx.Client(timeout=READY_TIMEOUT_S, trust_env=False) as http:
        while not stopping.wait(READY_LOOK_EVERY_S):
            look_after()
            with suppress(httpx.TransportError):
                answer = http.get(f"{url}/readyz")
                if answer.is_success:
                    return True
                if answer.text != said:
                    said = answer.text
                    say(f"not ready: {said}")
            start_serve_on(settings)
    return False


def start_serve_on(settings: Settings) -> None:
    """Nobody else starts Ray Serve on a cluster that has none yet; one that is away gets its turn
    at the next look."""
    token = settings.ray_token.get_secret_value() if settings.ray_token else None
    with suppress(httpx.HTTPError, ValueError):
        start_serve(str(settings.ray_address), token, str(settings.serve_address))


def mend(api: threading.Thread, ray: LocalRay | None, say: Say) -> None:
    """A Ray of our own that died is started again at the same addresses; the reconciler then sends its
    jobs on from their checkpoints. Raises CannotStart when the API is gone."""
    if not api.is_alive():
        raise CannotStart("the API ended by itself; its log above says why")
    if ray and not ray.alive():
        say("Ray ended by itself")
        ray.restart()
