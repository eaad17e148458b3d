"""What all networks have in common: their arguments, their inputs, their ends, their weights."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from symgraph.applications import get_submodules_from_kwargs
from symgraph.applications.imagenet_utils import obtain_input_shape
from symgraph.utils.data_utils import get_file

__all__ = ["Construction", "Published"]


class Published(NamedTuple):
    """Weights that can be fetched.

    # Attributes
        address: URL of the file with the last layers.
        checksum: its MD5 checksum, or None.
        address_no_top, checksum_no_top: the same without the last layers.
        names: of the files that are kept; default: the last parts of the addresses.
    """

    address: str
    checksum: str | None
    address_no_top: str
    checksum_no_top: str | None
    names: tuple[str, str] | None = None


class Construction:
    """A network in the making.

    # Arguments
        include_top: whether it ends in classes.
        weights: None, 'imagenet' or the path of a file.
        input_tensor: tensor to build it on; default: a new input.
        input_shape: shape of a picture.
        pooling: without the top: None, 'avg' or 'max'.
        classes: number of classes.
        modules: `backend`, `layers`, `models`, `utils`, where others shall be used.
        default_size, min_size: sizes of a picture.
        fixed_size: whether the size must be known; default: with the top.

    # Attributes
        backend, layers, models, utils: the modules.
        input: the tensor to begin with.
        axis: the axis of the channels.

    # Raises
        ValueError: unknown weights or pooling, another number of classes than the weights have, an unfit shape.
    """

    def __init__(self, include_top: bool, weights: Any, input_tensor: Any, input_shape: Any, pooling: str | None,
                 classes: int, modules: dict, default_size: int, min_size: int, fixed_size: bool | None = None):
        self.backend, self.layers, self.models, self.utils = get_submodules_from_kwargs(modules)
        if weights not in {"imagenet", None} and not os.path.exists(weights):
            raise ValueError(
                "The `weights` argument should be either `None` (random initialization), `imagenet` (pre-training on "
                f"ImageNet), or the path to the weights file to be loaded; there is no file {str(weights)!r}."
            )
        if weights == "imagenet" and include_top and classes != 1000:
            raise ValueError('If using `weights` as `"imagenet"` with `include_top` as true, `classes` should be 1000, '
                             f"got {classes}.")
        if pooling not in {None, "avg", "max"}:
            raise ValueError(f"`pooling` should be None, 'avg' or 'max', got {pooling!r}.")
        self.include_top, self.weights, self.pooling, self.classes = include_top, weights, pooling, classes
        layout = self.backend.image_data_format()
        self.axis = 1 if layout == "channels_first" else 3
        self.input_tensor = input_tensor
        shape = obtain_input_shape(input_shape, default_size, min_size, layout,
                                   include_top if fixed_size is None else fixed_size, weights)
        if input_tensor is None:
            self.input = self.layers.Input(shape=shape)
        elif self.backend.is_keras_tensor(input_tensor):
            self.input = input_tensor
        else:
            self.input = self.layers.Input(tensor=input_tensor)

    def classified(self, x: Any, name: str = "predictions", average: str | None = "avg_pool",
                   names: tuple = (None, None)) -> Any:
        """The end: the mean of each channel and classes, or what `pooling` says.

        # Arguments
            name: of the layer of classes.
            average: of the mean before it.
            names: of the means and maxima without the top.
        """
        if self.include_top:
            x = self.layers.GlobalAveragePooling2D(name=average)(x)
            return self.layers.Dense(self.classes, activation="softmax", name=name)(x)
        return self.pooled(x, names)

    def pooled(self, x: Any, names: tuple = (None, None)) -> Any:
        """What `pooling` says."""
        if self.pooling == "avg":
            return self.layers.GlobalAveragePooling2D(name=names[0])(x)
        if self.pooling == "max":
            return self.layers.GlobalMaxPooling2D(name=names[1])(x)
        return x

    def model(self, x: Any, name: str, published: Published | None) -> Any:
        """The model that ends in `x`, with its weights."""
        inputs = self.input if self.input_tensor is None else self.utils.get_source_inputs(self.input_tensor)
        model = self.models.Model(inputs, x, name=name)
        if self.weights == "imagenet":
            if published is None:
                raise ValueError(f"{name}: there are no published weights of ImageNet for this network.")
            model.load_weights(fetch(published, self.include_top))
        elif self.weights is not None:
            model.load_weights(self.weights)
        return model


def fetch(published: Published, include_top: bool) -> str:
    """The path of published weights, fetched if they are not there yet."""
    address, checksum = published[:2] if include_top else published[2:4]
    name = published.names[not include_top] if published.names else address.rpartition("/")[2]
    return get_file(name, address, cache_subdir="models", file_hash=checksum)
