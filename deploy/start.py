"""How a replica gets its classifier: threads, device, model version, engine. Used by `app`."""

import logging
import os

import ray
import torch

from deploy.classifier import Classifier
from trainer.contract.objects.open import open_store
from trainer.contract.serving import ReplicaArgs
from trainer.engines.choose import choose, here
from trainer.evaluation.version import load


def classifier(args: ReplicaArgs) -> Classifier:
    """A proved classifier of the version that `args` name. Raises Damaged, NoSuchObject or Unfit."""
    threads = args.threads or os.cpu_count() or 1
    torch.set_num_threads(threads)
    reserved = ray.get_runtime_context().get_accelerator_ids()["GPU"]
    device = torch.device("cuda" if reserved else "cpu")
    version = load(open_store(args.store), args.prefix, device=device)
    choice = choose(version, here(device, threads), wanted=args.engine)
    log = logging.getLogger("ray.serve")  # what Serve keeps of a replica's words
    log.info(f"{args.name} {args.version} computes with {choice.name}")
    for tried in choice.tried:
        log.info(f"tried {tried}")
    return Classifier(version, choice)
