"""How a replica gets its classifier: threads, device, model version. Used by `app`."""

import ray
import torch

from deploy.classifier import Classifier
from trainer.contract.objects.open import open_store
from trainer.contract.serving import ReplicaArgs
from trainer.evaluation.version import load


def classifier(args: ReplicaArgs) -> Classifier:
    """A proved classifier of the version that `args` name. Raises Damaged, NoSuchObject or Unfit."""
    torch.set_num_threads(args.threads)
    reserved = ray.get_runtime_context().get_accelerator_ids()["GPU"]
    device = torch.device("cuda" if reserved else "cpu")
    return Classifier(load(open_store(args.store), args.prefix, device=device))
