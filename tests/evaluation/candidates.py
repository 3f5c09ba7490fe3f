"""Small networks to evaluate, on noise."""

import torch
from torch import nn

from trainer.contract import archs
from trainer.contract.transform import Transform
from trainer.data.dataset import Images
from trainer.evaluation.scores import Candidate
from trainer.models.build import build

CPU = torch.device("cpu")
CLASSES = 10


def noise(count: int, side: int = 32, seed: int = 0) -> Images:
    """Grainy colours, with labels at random."""
    stream = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=stream)
    smooth = nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
    grain = torch.rand(count, 3, side, side, generator=stream)
    pixels = (255 * (0.7 * smooth + 0.3 * grain)).to(torch.uint8)
    return Images(pixels, torch.randint(CLASSES, (count,), generator=stream))


def lively(network: nn.Module) -> nn.Module:
    """With running statistics that are not those of a new network, and logits that differ."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return network.eval()


def candidate(
    arch: str = "resnet8", *, images: Images | None = None, seed: int = 0, **fields: object
) -> Candidate:
    images = images or noise(6)
    side = images.pixels.shape[-1]
    torch.manual_seed(seed)
    network = lively(build(archs.resolve(arch, **fields), CLASSES))  # type: ignore[arg-type]
    with torch.no_grad():
        network.get_parameter("fc.weight").mul_(10)
    return Candidate(
        network=network,
        pixel_mean=torch.rand(3, side, side),
        transform=Transform(mode="rgb", resize=side, pad=0, input_size=side),
        images=images,
    )
