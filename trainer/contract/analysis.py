"""What goes on inside a trained network, layer by layer: `analysis.json` of an evaluation."""

from pydantic import BaseModel

from trainer.contract.names import Name


class Layer(BaseModel, frozen=True, use_attribute_docstrings=True):
    """One weighted layer, in forward order."""

    name: str
    """As in the network's state dict; a convolution with its batch normalisation goes by the name of
    the two, for example stages.0.1.conv2."""
    index: int
    """From 1."""
    kernel: int | None
    """Side of a convolution's kernel in pixels; null is a fully connected layer."""
    response_std: float
    """Standard deviation over images, channels and places of what the layer gives: after batch
    normalisation, before the ReLU and the addition (Fig. 7 of the paper)."""
    gradient_norm: float
    """Euclidean norm of the mean loss's gradient with respect to the layer's weight."""


class Analysis(BaseModel, frozen=True, use_attribute_docstrings=True):
    """Of one network on some validation images."""

    model: str
    """`name:version`."""
    arch: str
    dataset: Name
    images: int
    """Over how many validation images, the first of them."""
    layers: tuple[Layer, ...]
