"""Residual networks: ResNet (2015), ResNetV2 (2016), ResNeXt (2017).

K. He and others: Deep residual learning for image recognition; the same: Identity mappings in deep residual networks;
S. Xie and others: Aggregated residual transformations for deep neural networks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from symgraph.applications.building import Construction, Published
from symgraph.utils.generic_utils import get_custom_objects

__all__ = ["ResNeXt101", "ResNeXt50", "ResNet", "ResNet101", "ResNet101V2", "ResNet152", "ResNet152V2", "ResNet50",
           "ResNet50V2", "block1", "block2", "block3", "stack1", "stack2", "stack3"]

BASE_WEIGHTS_PATH = "https://github.com/keras-team/keras-applications/releases/download/resnet/"
#: Name -> MD5 checksums of the published weights, with and without the last layers.
WEIGHTS_HASHES = {
    "resnet50": ("2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"),
    "resnet101": ("f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"),
    "resnet152": ("100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    "resnet50v2": ("3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917"),
    "resnet101v2": ("6343647c601c52e1368623803854d971", "c0ed64b8031c3730f411d2eb4eea35b5"),
    "resnet152v2": ("a49b44d1979771252814e80f8ec446f9", "ed17cf2e0169df9d443503ef94b23b33"),
    "resnext50": ("67a5b30d522ed92f75a1f16eef299d1a", "62527c363bdd9ec598bed41947b379fc"),
    "resnext101": ("34fb605428fcc7aa4d62f44404c11509", "0f678c91647380debd923963594981b3"),
}
_EPSILON = 1.001e-5
_AROUND = ((1, 1), (1, 1))


class _Parts:
    """The layers of a network, normalised as all of these networks are."""

    def __init__(self, layers: Any = None):
        from symgraph import backend as K
        from symgraph import layers as own_layers

        self.layers = own_layers if layers is None else layers
        self.axis = 3 if K.image_data_format() == "channels_last" else 1

    def conv(self, x: Any, filters: int, size: Any, name: str, **words: Any) -> Any:
        return self.layers.Conv2D(filters, size, name=name, **words)(x)

    def normalized(self, x: Any, name: str) -> Any:
        return self.layers.BatchNormalization(axis=self.axis, epsilon=_EPSILON, name=name)(x)

    def relu(self, x: Any, name: str) -> Any:
        return self.layers.Activation("relu", name=name)(x)


def block1(x: Any, filters: int, kernel_size: Any = 3, stride: int = 1, conv_shortcut: bool = True, name: Any = None,
           **modules: Any) -> Any:
    """A residual block of ResNet.

    # Arguments
        x: tensor of pictures.
        filters: of the inner convolutions; it gives four times as many.
        kernel_size: of the second convolution.
        stride: of the first.
        conv_shortcut: whether the input goes through a convolution before it is added.
        name: how the names of its layers begin.
    """
    parts = _Parts(modules.get("layers"))
    shortcut = x
    if conv_shortcut:
        shortcut = parts.normalized(parts.conv(x, 4 * filters, 1, f"{name}_0_conv", strides=stride), f"{name}_0_bn")
    x = parts.conv(x, filters, 1, f"{name}_1_conv", strides=stride)
    x = parts.relu(parts.normalized(x, f"{name}_1_bn"), f"{name}_1_relu")
    x = parts.conv(x, filters, kernel_size, f"{name}_2_conv", padding="same")
    x = parts.relu(parts.normalized(x, f"{name}_2_bn"), f"{name}_2_relu")
    x = parts.normalized(parts.conv(x, 4 * filters, 1, f"{name}_3_conv"), f"{name}_3_bn")
    return parts.relu(parts.layers.Add(name=f"{name}_add")([shortcut, x]), f"{name}_out")


def stack1(x: Any, filters: int, blocks: int, stride1: int = 2, name: Any = None, **modules: Any) -> Any:
    """Blocks of ResNet, the first with a stride; see `block1`."""
    x = block1(x, filters, stride=stride1, name=f"{name}_block1", **modules)
    for number in range(2, blocks + 1):
        x = block1(x, filters, conv_shortcut=False, name=f"{name}_block{number}", **modules)
    return x


def block2(x: Any, filters: int, kernel_size: Any = 3, stride: int = 1, conv_shortcut: bool = False, name: Any = None,
           **modules: Any) -> Any:
    """A residual block of ResNetV2, which normalises first; see `block1` for the arguments."""
    parts = _Parts(modules.get("layers"))
    active = parts.relu(parts.normalized(x, f"{name}_preact_bn"), f"{name}_preact_relu")
    if conv_shortcut:
        shortcut = parts.conv(active, 4 * filters, 1, f"{name}_0_conv", strides=stride)
    else:
        shortcut = parts.layers.MaxPooling2D(1, strides=stride)(x) if stride > 1 else x
    x = parts.conv(active, filters, 1, f"{name}_1_conv", use_bias=False)
    x = parts.relu(parts.normalized(x, f"{name}_1_bn"), f"{name}_1_relu")
    x = parts.layers.ZeroPadding2D(padding=_AROUND, name=f"{name}_2_pad")(x)
    x = parts.conv(x, filters, kernel_size, f"{name}_2_conv", strides=stride, use_bias=False)
    x = parts.relu(parts.normalized(x, f"{name}_2_bn"), f"{name}_2_relu")
    x = parts.conv(x, 4 * filters, 1, f"{name}_3_conv")
    return parts.layers.Add(name=f"{name}_out")([shortcut, x])


def stack2(x: Any, filters: int, blocks: int, stride1: int = 2, name: Any = None, **modules: Any) -> Any:
    """Blocks of ResNetV2, the last with a stride; see `block2`."""
    x = block2(x, filters, conv_shortcut=True, name=f"{name}_block1", **modules)
    for number in range(2, blocks):
        x = block2(x, filters, name=f"{name}_block{number}", **modules)
    return block2(x, filters, stride=stride1, name=f"{name}_block{blocks}", **modules)


def block3(x: Any, filters: int, kernel_size: Any = 3, stride: int = 1, groups: int = 32, conv_shortcut: bool = True,
           name: Any = None, **modules: Any) -> Any:
    """A residual block of ResNeXt: the second convolution is one of `groups`; see `block1` for the arguments.

    A grouped convolution is a depthwise one whose results are summed within each group.
    """
    parts = _Parts(modules.get("layers"))
    wide, inside = 64 // groups * filters, filters // groups
    shortcut = x
    if conv_shortcut:
        shortcut = parts.conv(x, wide, 1, f"{name}_0_conv", strides=stride, use_bias=False)
        shortcut = parts.normalized(shortcut, f"{name}_0_bn")
    x = parts.conv(x, filters, 1, f"{name}_1_conv", use_bias=False)
    x = parts.relu(parts.normalized(x, f"{name}_1_bn"), f"{name}_1_relu")
    x = parts.layers.ZeroPadding2D(padding=_AROUND, name=f"{name}_2_pad")(x)
    x = parts.layers.DepthwiseConv2D(kernel_size, strides=stride, depth_multiplier=inside, use_bias=False,
                                     name=f"{name}_2_conv")(x)
    x = parts.layers.Lambda(sums_in_groups, arguments={"inside": inside, "axis": parts.axis},
                            name=f"{name}_2_reduce")(x)
    x = parts.relu(parts.normalized(x, f"{name}_2_bn"), f"{name}_2_relu")
    x = parts.normalized(parts.conv(x, wide, 1, f"{name}_3_conv", use_bias=False), f"{name}_3_bn")
    return parts.relu(parts.layers.Add(name=f"{name}_add")([shortcut, x]), f"{name}_out")


def sums_in_groups(x: Any, inside: int, axis: int) -> Any:
    """The sums, over the inputs of a group, of what they give to each of its outputs.

    The channels are (groups, inputs of the group, outputs of the group), in this order.
    """
    from symgraph import backend as K

    shape = x.node.type.shape
    groups = shape[axis] // inside**2
    apart = K.reshape(x, (*shape[:axis], groups, inside, inside, *shape[axis + 1:]))
    return K.reshape(K.sum(apart, axis=axis + 1), (*shape[:axis], groups * inside, *shape[axis + 1:]))


get_custom_objects()["sums_in_groups"] = sums_in_groups  # files of this network name it


def stack3(x: Any, filters: int, blocks: int, stride1: int = 2, groups: int = 32, name: Any = None,
           **modules: Any) -> Any:
    """Blocks of ResNeXt, the first with a stride; see `block3`."""
    x = block3(x, filters, stride=stride1, groups=groups, name=f"{name}_block1", **modules)
    for number in range(2, blocks + 1):
        x = block3(x, filters, groups=groups, conv_shortcut=False, name=f"{name}_block{number}", **modules)
    return x


def ResNet(stack_fn: Callable, preact: bool, use_bias: bool, model_name: str = "resnet",  # noqa: N802
           include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None, input_shape: Any = None,
           pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
    """A residual network.

    # Arguments
        stack_fn: gives what stands between the first pooling and the end, for a tensor (and `layers=`, if those are
            others than symgraph's).
        preact: whether its blocks normalise before their convolutions.
        use_bias: whether the first convolution has a bias.
        model_name: name of the model; published weights are found by it.

    The other arguments are those of `symgraph.applications.vgg16.VGG16`.
    """
    made = Construction(include_top, weights, input_tensor, input_shape, pooling, classes, kwargs, 224, 32)
    parts = _Parts(made.layers)
    x = made.layers.ZeroPadding2D(padding=((3, 3), (3, 3)), name="conv1_pad")(made.input)
    x = parts.conv(x, 64, 7, "conv1_conv", strides=2, use_bias=use_bias)
    if not preact:
        x = parts.relu(parts.normalized(x, "conv1_bn"), "conv1_relu")
    x = made.layers.ZeroPadding2D(padding=_AROUND, name="pool1_pad")(x)
    x = made.layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    x = stack_fn(x, layers=made.layers) if kwargs.get("layers") is not None else stack_fn(x)
    if preact:
        x = parts.relu(parts.normalized(x, "post_bn"), "post_relu")
    x = made.classified(x, "probs", "avg_pool", ("avg_pool", "max_pool"))
    return made.model(x, model_name, _published(model_name))


def _published(name: str) -> Published | None:
    if name not in WEIGHTS_HASHES:
        return None
    start = f"{BASE_WEIGHTS_PATH}{name}_weights_tf_dim_ordering_tf_kernels"
    top, no_top = WEIGHTS_HASHES[name]
    return Published(f"{start}.h5", top, f"{start}_notop.h5", no_top)


def _stacked(stack: Callable, filters: tuple, counts: tuple, strides: tuple) -> Callable:
    def stack_fn(x: Any, **modules: Any) -> Any:
        for number, (width, count, stride) in enumerate(zip(filters, counts, strides), 2):
            x = stack(x, width, count, stride1=stride, name=f"conv{number}", **modules)
        return x

    return stack_fn


def _network(name: str, stack: Callable, filters: tuple, counts: tuple, strides: tuple, preact: bool, use_bias: bool,
             documentation: str) -> Callable:
    """A network of a kind: a function with the arguments that all networks have."""

    def network(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None, input_shape: Any = None,
                pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
        return ResNet(_stacked(stack, filters, counts, strides), preact, use_bias, name.lower(), include_top, weights,
                      input_tensor, input_shape, pooling, classes, **kwargs)

    network.__name__ = network.__qualname__ = name
    network.__doc__ = f"{documentation}; see `symgraph.applications.vgg16.VGG16` for the arguments."
    return network


_first = functools.partial(_network, stack=stack1, filters=(64, 128, 256, 512), strides=(1, 2, 2, 2), preact=False,
                           use_bias=True)
_second = functools.partial(_network, stack=stack2, filters=(64, 128, 256, 512), strides=(2, 2, 2, 1), preact=True,
                            use_bias=True)
_grouped = functools.partial(_network, stack=stack3, filters=(128, 256, 512, 1024), strides=(1, 2, 2, 2), preact=False,
                             use_bias=False)
ResNet50 = _first("ResNet50", counts=(3, 4, 6, 3), documentation="The residual network of 50 layers")
ResNet101 = _first("ResNet101", counts=(3, 4, 23, 3), documentation="The residual network of 101 layers")
ResNet152 = _first("ResNet152", counts=(3, 8, 36, 3), documentation="The residual network of 152 layers")
ResNet50V2 = _second("ResNet50V2", counts=(3, 4, 6, 3), documentation="The second residual network of 50 layers")
ResNet101V2 = _second("ResNet101V2", counts=(3, 4, 23, 3), documentation="The second residual network of 101 layers")
ResNet152V2 = _second("ResNet152V2", counts=(3, 8, 36, 3), documentation="The second residual network of 152 layers")
ResNeXt50 = _grouped("ResNeXt50", counts=(3, 4, 6, 3), documentation="The grouped residual network of 50 layers")
ResNeXt101 = _grouped("ResNeXt101", counts=(3, 4, 23, 3), documentation="The grouped residual network of 101 layers")
