"""What runs in every process of Ray Train: finds out where it is, and hands over to `attempt` or
`evaluation`."""

import logging
import os
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any

import ray.train
import ray.train.torch
import torch
from torch import nn

from trainer.contract.attempts import Order
from trainer.contract.evaluation import ResolvedEvaluation
from trainer.contract.objects.open import open_store
from trainer.contract.spec import ResolvedSpec
from trainer.training import attempt, evaluation, logs, notice, vigil
from trainer.training.device import threads
from trainer.training.endings import Ended, Fenced, Halted
from trainer.training.group import Group
from trainer.training.notice import Notice
from trainer.training.parent import die_frozen_with_parent, die_with_parent
from trainer.training.setup import Setting, averaged
from trainer.training.vigil import Vigil

log = logging.getLogger(__name__)


def work(config: Mapping[str, str]) -> dict[str, Any]:
    """`config` has the store's URL and the order as JSON. Returns an `Ended` as a dict."""
    # Ray's own watch takes only process 1 for the sign that its raylet died; where something else adopts
    # orphans, a worker would train on.
    die_with_parent(os.getppid())
    die_frozen_with_parent()
    order = Order.model_validate_json(config["order"])
    store = open_store(config["store"])
    context = ray.train.get_context()
    group = Group(context.get_world_rank(), context.get_world_size())
    torch.set_num_threads(threads(order.spec.cpus_per_worker))
    device = ray.train.torch.get_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    clock = partial(datetime.now, UTC)
    given = notice.heard() or Notice()
    watch = Vigil(store, order.job_id, order.attempt, str(group.rank), clock, notice=given)
    setting = Setting(
        store=store,
        group=group,
        device=device,
        wrap=averaged if group.world > 1 else _alone,
        versions={name: version(name) for name in ("torch", "ray", "residual")},
        clock=clock,
        vigil=watch,
    )
    watched = vigil.kept(watch, looks=True) if group.first else nullcontext()
    with logs.kept(store, order, str(group.rank)), watched, notice.watched(given, _is_draining):
        try:
            return run(order, setting).model_dump(mode="json")
        except (Fenced, Halted) as ended:
            log.warning("stopped: %s", ended)
            raise
        except Exception:
            log.exception("the attempt failed")
            raise


def run(order: Order, at: Setting) -> Ended:
    """Do what `order` asks, whatever kind of job it is of. Raises what that kind does."""
    match order.spec:
        case ResolvedEvaluation() as asked:
            return evaluation.run(order, asked, at)
        case ResolvedSpec() as asked:
            return attempt.run(order, asked, at)
        case _:
            raise TypeError(f"workers know nothing of a {order.spec.kind}")


def _is_draining() -> bool:
    """Whether Ray was told that this machine is about to go. Ray Train's own watch over that would end the
    attempt as failed, even where all workers have ended in order."""
    going = ray._private.state.state.get_draining_nodes()
    return ray.get_runtime_context().get_node_id() in going


def _alone(network: nn.Module) -> nn.Module:
    return network
