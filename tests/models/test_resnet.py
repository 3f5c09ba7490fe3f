"""Promises of the networks: they are the paper's, block by block."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.contract import archs
from trainer.contract.archs import Network, Shortcut, Stem, Stride
from trainer.models.build import build
from trainer.models.resnet import BasicBlock, Bottleneck, ConvNorm, PaddedIdentity, ResNet


def network(
    arch: str,
    *,
    shortcut: Shortcut | None = None,
    stride: Stride = "v1",
    stem: Stem = "paper",
    classes: int = 10,
    zero_init: bool = False,
) -> ResNet:
    described = archs.resolve(arch, shortcut=shortcut, stride=stride, stem=stem)
    built = build(described, classes, zero_init=zero_init)
    assert isinstance(built, ResNet)
    return built


def blocks(net: ResNet) -> list[BasicBlock | Bottleneck]:
    """In forward order."""
    return [block for block in net.modules() if isinstance(block, BasicBlock | Bottleneck)]


def shortcuts(net: ResNet) -> list[nn.Module]:
    """The shortcut of every block that has one, in forward order."""
    return [block.shortcut for block in blocks(net) if block.shortcut is not None]


def size(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("side", [32, 33, 28])
@pytest.mark.parametrize("arch", ["resnet8", "plain8"])
def test_the_cifar_family_takes_any_image_to_logits(arch: str, side: int) -> None:
    assert network(arch)(torch.rand(2, 3, side, side)).shape == (2, 10)


@pytest.mark.parametrize("shortcut", ["A", "B", "C"])
@pytest.mark.parametrize("arch", ["resnet18", "resnet50"])
def test_the_imagenet_family_takes_any_image_to_logits(arch: str, shortcut: Shortcut) -> None:
    with torch.device("meta"):
        net = network(arch, shortcut=shortcut, classes=1000)
        for side in (224, 225, 480):
            assert net(torch.rand(2, 3, side, side)).shape == (2, 1000)


def test_an_image_shrinks_by_the_stride_of_each_stage() -> None:
    net, sides = network("resnet50"), []
    for part in (net.stem, *net.stages):
        part.register_forward_hook(lambda _, __, out: sides.append(tuple(out.shape[1:])))
    with torch.no_grad():
        net.eval()(torch.rand(1, 3, 224, 224))
    assert sides == [(64, 56, 56), (256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)]


def test_the_small_stem_leaves_a_small_image_as_large_as_it_is() -> None:
    net = network("resnet18", stem="small").eval()
    assert net.stem(torch.rand(2, 3, 32, 32)).shape == (2, 64, 32, 32)
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    assert (net.stem(torch.randn(2, 3, 32, 32)) >= 0).all()  # a ReLU, and no pooling
    paper = network("resnet18")
    changed = {k for k, v in net.state_dict().items() if v.shape != paper.state_dict()[k].shape}
    assert changed == {"stem.0.conv.weight"}


@pytest.mark.parametrize("depth", [20, 110, 34])
def test_option_a_has_no_parameter_more_than_a_plain_network(depth: int) -> None:
    with torch.device("meta"):
        residual, plain = network(f"resnet{depth}", shortcut="A"), network(f"plain{depth}")
    assert size(residual) == size(plain)
    assert residual.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize(
    ("shortcut", "projections"), [("A", 0), ("B", 3), ("C", 16)], ids=["A", "B", "C"]
)
def test_resnet34_has_the_projections_of_its_option(shortcut: Shortcut, projections: int) -> None:
    with torch.device("meta"):
        found = shortcuts(network("resnet34", shortcut=shortcut))
    assert len(found) == 16
    assert sum(isinstance(each, ConvNorm) for each in found) == projections


def test_resnet50_projects_where_dimensions_grow_the_first_stage_included() -> None:
    with torch.device("meta"):
        found = shortcuts(network("resnet50"))
    assert [isinstance(each, ConvNorm) for each in found] == [
        first for blocks in (3, 4, 6, 3) for first in [True] + [False] * (blocks - 1)
    ]


def test_a_plain_network_has_no_shortcut() -> None:
    assert shortcuts(network("plain20")) == []


def test_option_a_keeps_every_second_pixel_and_adds_channels_of_zeros() -> None:
    x = torch.rand(2, 16, 7, 7)
    out = PaddedIdentity(16, 32, stride=2)(x)
    assert out.shape == (2, 32, 4, 4)
    assert torch.equal(out[:, :16], x[:, :, ::2, ::2])
    assert not out[:, 16:].any()


@pytest.mark.parametrize(("stride", "expected"), [("v1", (2, 1)), ("v1.5", (1, 2))])
def test_a_bottleneck_halves_the_image_where_its_version_says(
    stride: Stride, expected: tuple[int, int]
) -> None:
    with torch.device("meta"):
        first = blocks(network("resnet50", stride=stride))[3]  # of the second stage
    assert (first.conv1.conv.stride[0], first.conv2.conv.stride[0]) == expected


def test_a_block_adds_before_its_last_relu() -> None:
    block = blocks(network("resnet8").eval())[0]
    x = torch.randn(2, 16, 8, 8)
    inner = functional.relu(block.conv1.norm(block.conv1.conv(x)))
    expected = functional.relu(block.conv2.norm(block.conv2.conv(inner)) + x)
    assert torch.equal(block(x), expected)


def test_a_plain_block_is_its_layers_and_nothing_else() -> None:
    block = blocks(network("plain8").eval())[0]
    x = torch.randn(2, 16, 8, 8)
    inner = functional.relu(block.conv1.norm(block.conv1.conv(x)))
    assert torch.equal(block(x), functional.relu(block.conv2.norm(block.conv2.conv(inner))))


def test_no_convolution_has_a_bias() -> None:
    with torch.device("meta"):
        net = network("resnet50", shortcut="C")
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 49 + 16
    assert all(convolution.bias is None for convolution in convolutions)


def test_convolutions_start_with_the_variance_of_he() -> None:
    torch.manual_seed(0)
    for module in network("resnet20").modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 10_000:
            fan_out = module.out_channels * 9
            assert module.weight.var().item() == pytest.approx(2 / fan_out, rel=0.1)
            assert module.weight.mean().item() == pytest.approx(0, abs=0.002)


@pytest.mark.parametrize("arch", ["resnet8", "resnet50"])
def test_zero_init_makes_every_residual_block_its_shortcut(arch: str) -> None:
    for block in blocks(network(arch, zero_init=True).eval()):
        c_in = block.conv1.conv.in_channels
        x = torch.randn(1, c_in, 8, 8)
        assert block.shortcut is not None
        assert torch.equal(block(x), block.shortcut(x).relu())


def test_zero_init_changes_nothing_else_and_no_plain_network() -> None:
    def seeded(arch: str, *, zero_init: bool) -> dict[str, Tensor]:
        torch.manual_seed(0)
        state: dict[str, Tensor] = network(arch, zero_init=zero_init).state_dict()
        return state

    for arch, expected in (("plain8", 0), ("resnet8", 3)):
        ours, usual = seeded(arch, zero_init=True), seeded(arch, zero_init=False)
        changed = [name for name in usual if not torch.equal(ours[name], usual[name])]
        assert [name for name in changed if not name.endswith("conv2.norm.weight")] == []
        assert len(changed) == expected


def test_a_seed_decides_every_weight() -> None:
    def seeded(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed)
        state: dict[str, Tensor] = network("resnet8").state_dict()
        return state

    first, again, other = seeded(1), seeded(1), seeded(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["stem.0.conv.weight"], other["stem.0.conv.weight"])


def test_names_of_weights_do_not_change() -> None:
    with torch.device("meta"):
        names = list(network("resnet18").state_dict())
    assert len(names) == len(set(names)) == 122
    assert names[:2] == ["stem.0.conv.weight", "stem.0.norm.weight"]
    assert "stages.1.0.conv1.conv.weight" in names
    assert "stages.1.0.shortcut.norm.running_mean" in names
    assert names[-2:] == ["fc.weight", "fc.bias"]


@pytest.mark.parametrize(
    "arch",
    [archs.resolve("resnet8", shortcut=s) for s in ("A", "B", "C")] + [archs.resolve("plain8")],
    ids=["A", "B", "C", "plain"],
)
def test_every_parameter_learns_and_a_step_lowers_the_loss(arch: Network) -> None:
    torch.manual_seed(0)
    net = build(arch, 10)
    images, labels = torch.randn(16, 3, 32, 32), torch.arange(16) % 10
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    before = functional.cross_entropy(net(images), labels)
    torch.autograd.backward(before)
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())
    optimizer.step()
    assert functional.cross_entropy(net(images), labels).item() < before.item()
