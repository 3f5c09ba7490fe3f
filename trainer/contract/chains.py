"""The baselines without branches, layer by layer. `weighted` counts them; `trainer.models.build` builds
them, but for VGG, which torchvision builds and a test compares.

None of the originals has batch normalisation, and neither have these.
"""

from trainer.contract.baselines import BaselineName
from trainer.contract.layers import Chain, Conv, Dense, Dropout, Flatten, Grid, Part, Pool


def chain(name: BaselineName, classes: int) -> Chain:
    """The layers of a baseline that classifies into `classes`. Raises KeyError for GoogLeNet."""
    return {
        "vgg16": lambda: vgg((2, 2, 3, 3, 3), classes),
        "vgg19": lambda: vgg((2, 2, 4, 4, 4), classes),
        "prelunet": lambda: prelu_net(classes),
        "nin": lambda: network_in_network(classes),
        "maxout": lambda: maxout(classes),
        "dsn": lambda: deeply_supervised(classes),
        "fitnet19": lambda: fitnet(classes),
        "highway19": lambda: highway((32, 80, 128), (4, 5, 5), 100, classes),
        "highway32": lambda: highway((32, 48, 64), (9, 9, 9), 64, classes),
    }[name]()


def vgg(convolutions: tuple[int, ...], classes: int) -> Chain:
    """Table 1 of VGG, columns D and E. Other images than 224×224 are averaged to 7×7 before the fully
    connected layers, as torchvision does."""
    widths = (64, 128, 256, 512, 512)
    return (
        *(
            Part(f"conv{number}", (*(Conv(3, width),) * count, Pool(2, 2)))
            for number, (width, count) in enumerate(zip(widths, convolutions, strict=True), start=1)
        ),
        Part("fc6", (Grid((7,), average=True), Flatten(), Dense(4096), Dropout(0.5))),
        Part("fc7", (Dense(4096), Dropout(0.5))),
        Part("fc8", (Dense(classes, "none"),)),
    )


def prelu_net(classes: int) -> Chain:
    """Table 3 of "Delving Deep into Rectifiers", model A, held only against its sum, 1.90e10 operations at
    224×224. Channel-wise PReLU everywhere but after the classifier."""
    return (
        Part("conv1", (Conv(7, 96, "prelu", stride=2), Pool(2, 2))),
        Part("conv2", (*(Conv(3, 256, "prelu"),) * 5, Pool(2, 2))),
        Part("conv3", (*(Conv(3, 512, "prelu"),) * 5, Pool(2, 2))),
        Part("conv4", (*(Conv(3, 512, "prelu"),) * 5, Grid((7, 3, 2, 1), average=False))),
        Part("fc1", (Flatten(), Dense(4096, "prelu"), Dropout(0.5))),
        Part("fc2", (Dense(4096, "prelu"), Dropout(0.5))),
        Part("fc3", (Dense(classes, "none"),)),
    )


def network_in_network(classes: int) -> Chain:
    """Network in Network for CIFAR-10: three mlpconv layers, the first two with max-pooling as in the
    paper's text (its Caffe file averages in the second), then one map a class, averaged.

    That file has a ReLU over the classes' maps as well. Without batch normalisation it can stop the
    learning of all classes at once, so it is left out, as Deeply-Supervised Nets did.
    """
    halve = (Pool(3, 2, ceil=True), Dropout(0.5))
    return (
        Part("mlpconv1", (Conv(5, 192), Conv(1, 160), Conv(1, 96), *halve)),
        Part("mlpconv2", (Conv(5, 192), Conv(1, 192), Conv(1, 192), *halve)),
        Part("mlpconv3", (Conv(3, 192), Conv(1, 192), Conv(1, classes, "none"))),
        Part("pool", (Grid((1,), average=True), Flatten())),
    )


def deeply_supervised(classes: int) -> Chain:
    """Deeply-Supervised Nets for CIFAR-10 (the authors' Caffe file): Network in Network with a companion
    classifier at the output of each of its spatial convolutions."""
    halve = (Pool(3, 2, ceil=True), Dropout(0.5))
    return (
        Part("conv1", (Conv(5, 192),), companion=True),
        Part("mlp1", (Conv(1, 160), Conv(1, 96), *halve)),
        Part("conv2", (Conv(5, 192),), companion=True),
        Part("mlp2", (Conv(1, 192), Conv(1, 192), *halve)),
        Part("conv3", (Conv(3, 192),), companion=True),
        Part("mlp3", (Conv(1, 192), Conv(1, classes, "none"))),
        Part("pool", (Grid((1,), average=True), Flatten())),
    )


def maxout(classes: int) -> Chain:
    """Maxout for CIFAR-10, pylearn2's papers/maxout/cifar10.yaml: three convolutional maxout layers and
    a dense one, dropout 0.2 of the image and 0.5 before every other layer."""

    def stage(kernel: int, channels: int, padding: int, pool: int) -> tuple[Conv, Pool]:
        conv = Conv(kernel, channels, "maxout", padding=padding, pieces=2)
        return conv, Pool(pool, 2, ceil=True)

    return (
        Part("conv1", (Dropout(0.2), *stage(8, 96, padding=4, pool=4))),
        Part("conv2", (Dropout(0.5), *stage(8, 192, padding=3, pool=4))),
        Part("conv3", (Dropout(0.5), *stage(5, 192, padding=3, pool=2))),
        Part("fc4", (Flatten(), Dropout(0.5), Dense(500, "maxout", pieces=5))),
        Part("fc5", (Dropout(0.5), Dense(classes, "none"))),
    )


def fitnet(classes: int) -> Chain:
    """The 19-layer FitNet for CIFAR-10 (the authors' cifar10_fitnet19_all.yaml), without its teacher.

    That file gives the dense layer five pieces, which makes 2.74M parameters; the 2.5M that FitNets and
    Table 6 state come with two pieces, as in the other layers, and so it is here.
    """

    def stage(name: str, widths: tuple[int, ...], pool: Pool) -> Part:
        return Part(name, (*(Conv(3, width, "maxout", pieces=2) for width in widths), pool))

    return (
        stage("conv1", (32, 32, 32, 48, 48), Pool(2, 2)),
        stage("conv2", (80,) * 6, Pool(2, 2)),
        stage("conv3", (128,) * 6, Pool(8, 1)),
        Part("fc4", (Flatten(), Dense(500, "maxout", pieces=2))),
        Part("fc5", (Dense(classes, "none"),)),
    )


def highway(
    widths: tuple[int, int, int], layers: tuple[int, int, int], last: int, classes: int
) -> Chain:
    """Highway networks for CIFAR-10: in each of three stages a convolution to its width and then highway
    layers, a 1×1 convolution to `last` channels, global average pooling. Dropout 0.2.

    The 19 layers are those of the authors' Caffe file (2.3M parameters). No file and no table gives the
    widths of the 32: 9 highway layers a stage and 32-48-64 channels make the 1.25M of the source.
    """
    parts = []
    for number, (width, count) in enumerate(zip(widths, layers, strict=True), start=1):
        parts += [
            Part(f"conv{number}", (Dropout(0.2), Conv(3, width))),
            Part(f"highway{number}", (*(Conv(3, width, "highway"),) * count,)),
        ]
        if number < len(widths):
            parts.append(Part(f"pool{number}", (Pool(2, 2),)))
    return (
        *parts,
        Part("conv4", (Conv(1, last), Grid((1,), average=True), Flatten(), Dropout(0.2))),
        Part("fc5", (Dense(classes, "none"),)),
    )
