"""How a replica gets its classifier: threads, device, model versions, engines. Used by `app`."""

import logging
import os

import ray
import torch

from deploy.classifier import Classifier, Member, member
from trainer.contract.evaluation import EvaluatedModel
from trainer.contract.objects.open import open_store
from trainer.contract.serving import ReplicaArgs
from trainer.engines.choose import here
from trainer.engines.engine import Hardware
from trainer.evaluation.version import Unfit, load

log = logging.getLogger("ray.serve")  # what Serve keeps of a replica's words


def classifier(args: ReplicaArgs) -> Classifier:
    """A classifier of what `args` name, each version proved. Raises Damaged, NoSuchObject or Unfit."""
    threads = args.threads or os.cpu_count() or 1
    torch.set_num_threads(threads)
    reserved = ray.get_runtime_context().get_accelerator_ids()["GPU"]
    device = torch.device("cuda" if reserved else "cpu")
    hardware = here(device, threads)
    members = tuple(loaded(args, each, device, hardware) for each in args.members)
    first, *others = members
    for other in others:
        if other.version.meta.class_names != first.version.meta.class_names:
            raise Unfit(
                f"{other.model.name}:{other.model.version} knows other classes than "
                f"{first.model.name}:{first.model.version}; name models of the same data set"
            )
    return Classifier(members)


def loaded(
    args: ReplicaArgs, model: EvaluatedModel, device: torch.device, hardware: Hardware
) -> Member:
    """One of the networks, proved, and with its engine."""
    version = load(open_store(args.store), model.prefix, device=device)
    found = member(model, version, hardware, wanted=args.engine)
    log.info(f"{model.name} {model.version} computes with {found.choice.name}")
    for tried in found.choice.tried:
        log.info(f"tried {tried}")
    return found
