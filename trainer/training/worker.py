"""What runs in every process of Ray Train: finds out where it is, and hands over to `attempt` or
`evaluation`."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from inspect import signature
from typing import Any

import ray.train
import ray.train.torch
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from trainer.contract.attempts import Order
from trainer.contract.evaluation import ResolvedEvaluation
from trainer.contract.objects.open import open_store
from trainer.training import attempt, evaluation, logs
from trainer.training.attempt import Ended
from trainer.training.device import threads
from trainer.training.failures import Fenced
from trainer.training.group import Group
from trainer.training.setup import Setting

log = logging.getLogger(__name__)


def train_loop_per_worker(config: Mapping[str, str]) -> dict[str, Any]:
    """`config` has the store's URL and the order as JSON. Returns an `attempt.Ended` as a dict."""
    order = Order.model_validate_json(config["order"])
    store = open_store(config["store"])
    context = ray.train.get_context()
    group = Group(context.get_world_rank(), context.get_world_size())
    torch.set_num_threads(threads(order.spec.cpus_per_worker))
    setting = Setting(
        store=store,
        group=group,
        device=ray.train.torch.get_device(),
        wrap=averaged if group.world > 1 else _alone,
        versions={name: version(name) for name in ("torch", "ray", "residual")},
        clock=lambda: datetime.now(UTC),
    )
    with logs.kept(store, order, str(group.rank)):
        try:
            return run(order, setting).model_dump(mode="json")
        except Fenced as closed:
            log.warning("stopped: %s", closed)
            raise
        except Exception:
            log.exception("the attempt failed")
            raise


def run(order: Order, at: Setting) -> Ended:
    """Do what `order` asks, whatever kind of job it is of. Raises what that kind does."""
    if isinstance(order.spec, ResolvedEvaluation):
        return evaluation.run(order, order.spec, at)
    return attempt.run(order, order.spec, at)


def averaged(network: nn.Module) -> nn.Module:
    """The network in DDP. Running statistics are shared when they are needed, not every step."""
    known = signature(DistributedDataParallel).parameters
    # The switch's name before torch 2.15, which warns of it.
    switch = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {switch: False, "gradient_as_bucket_view": True}
    return DistributedDataParallel(network, **options)


def _alone(network: nn.Module) -> nn.Module:
    return network
