"""What `residual export` writes beside weights, so that the file can be read again without a guess."""

from pydantic import ValidationError

from trainer.contract.checkpoints import CheckpointMeta
from trainer.weights.layouts import NotRecognised

NOTE = "residual"
"""Key in the header of a safetensors file: the version's `CheckpointMeta` as JSON."""
PIXEL_MEAN = "pixel_mean"
"""Name of the mean image among the tensors."""


def note(meta: CheckpointMeta) -> dict[str, str]:
    return {NOTE: meta.model_dump_json()}


def described(notes: dict[str, str]) -> CheckpointMeta | None:
    """What a file says of itself; None if it says nothing. Raises NotRecognised."""
    if NOTE not in notes:
        return None
    try:
        meta = CheckpointMeta.model_validate_json(notes[NOTE])
    except ValidationError as error:
        raise NotRecognised("the file was exported by another version of this program") from error
    if meta.transform.resize + 2 * meta.transform.pad != meta.transform.input_size:
        raise NotRecognised("what the file says of its images contradicts itself; export it again")
    return meta
