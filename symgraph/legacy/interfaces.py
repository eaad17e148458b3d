"""The decorators of `keras.legacy.interfaces`, for code of others that uses them: each applies a rule of the table."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from symgraph.legacy.accept import accepting
from symgraph.legacy.rules import RULES

_SUPPORT = {
    "dense": "Dense", "dropout": "Dropout", "embedding": "Embedding", "pooling1d": "MaxPooling1D", "prelu": "PReLU",
    "gaussiannoise": "GaussianNoise", "recurrent": "LSTM", "gaussiandropout": "GaussianDropout",
    "pooling2d": "MaxPooling2D", "pooling3d": "MaxPooling3D", "global_pooling": "GlobalMaxPooling2D",
    "upsampling1d": "UpSampling1D", "upsampling2d": "UpSampling2D", "upsampling3d": "UpSampling3D",
    "conv1d": "Conv1D", "conv2d": "Conv2D", "separable_conv2d": "SeparableConv2D", "deconv2d": "Conv2DTranspose",
    "conv3d": "Conv3D", "convlstm2d": "ConvLSTM2D", "batchnorm": "BatchNormalization",
    "zeropadding2d": "ZeroPadding2D", "zeropadding3d": "ZeroPadding3D", "cropping2d": "Cropping2D",
    "cropping3d": "Cropping3D", "spatialdropout1d": "SpatialDropout1D", "spatialdropoutNd": "SpatialDropout2D",
    "generator_methods": "Model.fit_generator", "model_constructor": "Network", "input": "InputLayer",
    "get_updates": "Optimizer.get_updates",
}


def __getattr__(name: str) -> Any:
    if name.startswith("legacy_") and name.endswith("_support"):
        rule = _SUPPORT.get(name[len("legacy_"):-len("_support")])
        if rule is not None:
            return functools.partial(accepting, name=rule)
        if name in {"legacy_lambda_support", "legacy_add_weight_support"}:
            return _unchanged  # the function takes both orders itself
    if name.endswith(("_args_preprocessor", "_kwargs_preprocessor", "_arg_preprocessing", "_args_preprocessing")):
        rule = _SUPPORT.get(name.partition("_args_")[0].partition("_kwargs_")[0].partition("_arg_")[0])
        return _unprocessed if rule is None else functools.partial(_preprocess, rule)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*(f"legacy_{name}_support" for name in _SUPPORT), "generate_legacy_interface",
                   "generate_legacy_method_interface", "raise_duplicate_arg_error"])


def _unchanged(function: Callable) -> Callable:
    return function


def _unprocessed(args: Sequence, kwargs: Mapping) -> tuple:
    return tuple(args), dict(kwargs), []


def _preprocess(rule: str, args: Sequence, kwargs: Mapping) -> tuple:
    """The arguments after the conversion of their forms, and which names were converted."""
    from symgraph.legacy.accept import translate

    old = [name for name in kwargs if name in RULES[rule].old_names]
    form = RULES[rule].is_old
    new_args, new_kwargs = translate(rule, tuple(args), kwargs, (), bool(form and form(tuple(args), kwargs)))
    return new_args, new_kwargs, [(name, RULES[rule].rename.get(name, "")) for name in old]


def generate_legacy_interface(allowed_positional_args: Sequence[str] | None = None,
                              conversions: Sequence[tuple[str, str]] | None = None,
                              preprocessor: Callable | None = None, value_conversions: Mapping | None = None,
                              object_type: str = "class") -> Callable:
    """A decorator that accepts old argument names.

    # Arguments
        allowed_positional_args: names of the arguments that may come by position.
        conversions: pairs of old and new names.
        preprocessor: `(args, kwargs) -> (args, kwargs, converted)`, runs first.
        value_conversions: old name -> {old value: new value}.
        object_type: 'class' or 'method', for messages.
    """

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def accepts(*args: Any, **kwargs: Any) -> Any:
            shown = type(args[0]).__name__ if object_type == "class" and args else function.__name__
            if preprocessor is not None:
                args, kwargs, _ = preprocessor(args, kwargs)
            if allowed_positional_args is not None and len(args) > len(allowed_positional_args) + 1:
                raise TypeError(f"`{shown}` can accept only {len(allowed_positional_args)} positional arguments "
                                f"{tuple(allowed_positional_args)}, but you passed {list(args[1:])}.")
            for old, new in conversions or ():
                if old in kwargs:
                    if new in kwargs:
                        raise_duplicate_arg_error(old, new)
                    value = kwargs.pop(old)
                    kwargs[new] = (value_conversions or {}).get(old, {}).get(value, value)
            return function(*args, **kwargs)

        return accepts

    return decorate


generate_legacy_method_interface = functools.partial(generate_legacy_interface, object_type="method")


def raise_duplicate_arg_error(old_arg: str, new_arg: str) -> None:
    """Raises TypeError: an argument came under its old and its new name."""
    raise TypeError(f"For the `{new_arg}` argument, the layer received both the legacy keyword argument `{old_arg}` "
                    "and "
                    f"the Keras 2 keyword argument `{new_arg}`. Stick to the latter!")
