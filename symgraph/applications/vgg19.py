"""VGG19 (K. Simonyan and A. Zisserman: Very deep convolutional networks for large-scale image recognition, 2014)."""

from __future__ import annotations

from typing import Any

from symgraph.applications.building import Construction, Published
from symgraph.applications.imagenet_utils import decode_predictions, preprocess_input
from symgraph.applications.vgg16 import blocks_of_vgg

__all__ = ["VGG19", "decode_predictions", "preprocess_input"]

_RELEASE = "https://github.com/fchollet/deep-learning-models/releases/download/v0.1/"
WEIGHTS_PATH = _RELEASE + "vgg19_weights_tf_dim_ordering_tf_kernels.h5"
WEIGHTS_PATH_NO_TOP = _RELEASE + "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
_PUBLISHED = Published(WEIGHTS_PATH, "cbe5617147190e668d6c5d5026f83318",
                       WEIGHTS_PATH_NO_TOP, "253f8cb515780f3b799900260a226db6")

#: (filters, convolutions) of each block.
BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))


def VGG19(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
          input_shape: Any = None, pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
    """The network of 19 layers with weights; see `VGG16` for the arguments."""
    made = Construction(include_top, weights, input_tensor, input_shape, pooling, classes, kwargs, 224, 32)
    return made.model(blocks_of_vgg(made, BLOCKS), "vgg19", _PUBLISHED)
