"""How the weights of a layer lie in files, and how they become the arrays of this package.

A file stores for each layer of the model a list of arrays: those that are trained, then the others, and in a nested
model the same over all its layers. Which arrays are trained depends on the `trainable` flags at the time of saving, so
that the order is found anew for each file: by the names where they agree, else by the flags.

Keras 1 packed gates in arrays of their own and kept kernels in the order of the Theano library; cuDNN layers keep gates
transposed and two biases. The same changes apply to what an optimizer keeps for each array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from symgraph import backend as K
from symgraph.engine.hdf5_reader import ModelFileError

__all__ = ["Assignment", "Origin", "Part", "assign", "convert", "file_variables", "kinds", "parts", "shape_of"]


@dataclass(frozen=True)
class Origin:
    """Who wrote a file.

    # Attributes
        generation: 1 for Keras 1, 2 for everything later.
        theano: whether kernels are those of a true convolution (rotated by 180 degrees).
    """

    generation: int = 2
    theano: bool = False


class Part(NamedTuple):
    """The trained, or the other, weights of one layer."""

    layer: Any
    variables: list
    trained: bool


class Assignment(NamedTuple):
    """Which stored arrays belong to a part."""

    part: Part
    names: list[str]
    arrays: list


#: Layers whose inner cell is their own business: they are converted as one.
_WHOLE = frozenset({"SimpleRNN", "GRU", "LSTM", "CuDNNGRU", "CuDNNLSTM", "ConvLSTM2D"})


def shape_of(variable: Any) -> tuple[int, ...]:
    """The shape of a weight."""
    return tuple(size or 0 for size in K.int_shape(variable) or ())


def kinds(layer: Any) -> set[str]:
    """The names of the classes that a layer is an instance of."""
    return {cls.__name__ for cls in type(layer).__mro__}


def parts(layer: Any, by_flags: bool = True) -> tuple[list[Part], list[Part]]:
    """The weights of a layer in the order of files: the trained parts, and the others.

    # Arguments
        layer: a layer, wrapper or model.
        by_flags: whether `trainable = False` moves weights to the others (else only how they were declared counts).
    """
    frozen = by_flags and not layer.trainable
    inner = [] if kinds(layer) & _WHOLE else list(layer._layers)
    if kinds(layer) & _WHOLE:
        own, other = layer._declared(True), layer._declared(False)
    else:
        own, other = list(layer._trainable_weights), list(layer._non_trainable_weights)
    trained = [Part(layer, own, True)] if own else []
    rest = [Part(layer, other, False)] if other else []
    for child in inner:
        child_trained, child_rest = parts(child, by_flags)
        trained += child_trained
        rest += child_rest
    return ([], trained + rest) if frozen else (trained, rest)


def file_variables(layer: Any) -> list:
    """The weights of a layer, in the order in which Keras stores them."""
    trained, rest = parts(layer)
    found: dict[int, Any] = {}
    for part in trained + rest:
        for variable in part.variables:
            found.setdefault(id(variable), variable)
    return list(found.values())


# ---------------------------------------------------------------------------------------------- assignment
def assign(layer: Any, names: list[str], arrays: list, origin: Origin) -> list[Assignment]:
    """Which of the arrays stored for a layer belongs to which of its weights.

    # Arguments
        layer: the layer, wrapper or model.
        names: the stored names.
        arrays: things with a `shape`, in the same order.
        origin: who wrote them.

    # Raises
        ModelFileError: there are more or fewer arrays than the layer takes.
    """
    if origin.generation > 1:
        by_name = _by_name(layer, names, arrays)
        if by_name is not None:
            return by_name
    attempts = []
    for by_flags in (True, False):
        trained, rest = parts(layer, by_flags)
        found, left = _in_order(_distinct(trained + rest), names, arrays, origin)
        if not left and found is not None:
            attempts.append(found)
    for found in attempts:
        if all(_fits(assignment) for assignment in found):
            return found
    if attempts:
        return attempts[0]
    wanted = file_variables(layer)
    raise ModelFileError(
        f"Layer {layer.name!r} ({type(layer).__name__}) has {len(wanted)} weights "
        f"{[(variable.name, shape_of(variable)) for variable in wanted[:8]]}, but the file holds {len(names)} arrays "
        f"for it: {[(name, array.shape) for name, array in list(zip(names, arrays))[:8]]}."
    )


def _distinct(found: list[Part]) -> list[Part]:
    """The parts, each variable once (a layer may stand in a model twice)."""
    seen: set[int] = set()
    kept = []
    for part in found:
        variables = [variable for variable in part.variables if id(variable) not in seen]
        seen.update(id(variable) for variable in variables)
        if variables:
            kept.append(part._replace(variables=variables))
    return kept


def _by_name(layer: Any, names: list[str], arrays: list) -> list[Assignment] | None:
    """Assignment by equal names, where they are the same ones and all different."""
    trained, rest = parts(layer)
    everything = _distinct(trained + rest)
    own = [variable.name for part in everything for variable in part.variables]
    if len(set(own)) != len(own) or set(own) != set(names) or len(names) != len(own):
        return None
    stored = dict(zip(names, arrays))
    return [Assignment(part, [variable.name for variable in part.variables],
                       [stored[variable.name] for variable in part.variables]) for part in everything]


def _in_order(ordered: list[Part], names: list[str], arrays: list, origin: Origin
              ) -> tuple[list[Assignment] | None, int]:
    position, found = 0, []
    for number, part in enumerate(ordered):
        # With a single part everything is its own, whatever the names say.
        count = len(names) if len(ordered) == 1 and number == 0 else _stored_count(part, names[position:], origin)
        if position + count > len(names):
            return None, 0
        found.append(Assignment(part, names[position:position + count], arrays[position:position + count]))
        position += count
    return found, len(names) - position


def _stored_count(part: Part, names: list[str], origin: Origin) -> int:
    """How many arrays stand for a part: Keras 1 stored each gate apart, unless told to consume less on a GPU."""
    if origin.generation == 1 and part.trained and names:
        first = names[0].removesuffix(":0")
        if kinds(part.layer) & {"LSTM", "ConvLSTM2D"} and first.endswith("_W_i"):
            return 12
        if "GRU" in kinds(part.layer) and first.endswith("_W_z"):
            return 9
    return len(part.variables)


def _fits(assignment: Assignment) -> bool:
    variables, arrays = assignment.part.variables, assignment.arrays
    if kinds(assignment.part.layer) & (_WHOLE | _CONVOLUTIONS):
        return True  # converted, then checked
    return len(variables) == len(arrays) and all(
        tuple(array.shape) == shape_of(variable) for variable, array in zip(variables, arrays))


# ---------------------------------------------------------------------------------------------- conversion
_CONVOLUTIONS = frozenset({"Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose", "SeparableConv1D",
                           "SeparableConv2D", "DepthwiseConv2D"})


def convert(part: Part, arrays: list[np.ndarray], origin: Origin) -> list[np.ndarray]:
    """The arrays of a part as its layer holds them.

    # Arguments
        part: the weights.
        arrays: what is stored for them, or what an optimizer stored for each.
        origin: who stored it.

    # Returns
        Arrays in the order of `part.variables`; their shapes are for the caller to check.
    """
    if not part.trained:
        return arrays
    names = kinds(part.layer)
    shapes = [shape_of(variable) for variable in part.variables]
    if "ConvLSTM2D" in names:
        return _conv_lstm(part.layer, arrays, shapes, origin)
    if names & _CONVOLUTIONS:
        return [_kernel(part.layer, array, shape, origin) for array, shape in zip(arrays, shapes)]
    if origin.generation == 1 and "LSTM" in names and len(arrays) == 12:
        return _packed(arrays, "icfo", "ifco")
    if origin.generation == 1 and "GRU" in names and len(arrays) == 9:
        return _packed(arrays, "zrh", "zrh")
    if names & {"LSTM", "CuDNNLSTM"} and len(arrays) == 3:
        return _cudnn(arrays, shapes, gates=4)
    if names & {"GRU", "CuDNNGRU"} and len(arrays) == 3:
        return _cudnn(arrays, shapes, gates=3)
    return arrays


def _packed(arrays: list[np.ndarray], stored: str, wanted: str) -> list[np.ndarray]:
    """Gates of Keras 1, W, U, b for each, as kernel, recurrent kernel and bias."""
    gates = {gate: arrays[3 * index:3 * index + 3] for index, gate in enumerate(stored)}
    return [np.concatenate([gates[gate][kind] for gate in wanted], axis=-1) for kind in range(3)]


def _kernel(layer: Any, array: np.ndarray, shape: tuple, origin: Origin) -> np.ndarray:
    """A kernel in the order (space ..., in, out)."""
    if len(shape) < 3:
        return array  # a bias
    if origin.generation == 1:
        array = _kernel_of_keras1(layer, array, shape)
    if origin.theano and array.ndim == len(shape):
        space = tuple(range(len(shape) - 2))
        array = np.flip(array, space)
    return array


def _kernel_of_keras1(layer: Any, array: np.ndarray, shape: tuple) -> np.ndarray:
    names = kinds(layer)
    if "Conv1D" in names and array.ndim == 4:
        if array.shape[1] != 1 or (array.shape[0], *array.shape[2:]) != shape:
            array = array.transpose(2, 3, 1, 0)  # before 1.1: (out, in, length, 1)
        return array[:, 0]
    if array.ndim != len(shape):
        return array
    if getattr(layer, "data_format", None) == "channels_first":
        space = tuple(range(2, array.ndim))
        if "Conv2DTranspose" in names:
            return array.transpose(*space, 0, 1)  # wanted: (space ..., out, in)
        return array.transpose(*space, 1, 0)
    if "Conv2DTranspose" in names and array.shape != shape:
        return array.transpose(0, 1, 3, 2)
    return array


def _conv_lstm(layer: Any, arrays: list[np.ndarray], shapes: list[tuple], origin: Origin) -> list[np.ndarray]:
    if len(arrays) == 12:
        first = getattr(layer, "data_format", None) == "channels_first"
        arrays = [array.transpose(2, 3, 1, 0) if first and array.ndim == 4 else array for array in arrays]
        arrays = _packed(arrays, "icfo", "ifco")
    if origin.theano:
        arrays = [np.flip(array, (0, 1)) if array.ndim == 4 else array for array in arrays]
    return arrays


def _cudnn(arrays: list[np.ndarray], shapes: list[tuple], gates: int) -> list[np.ndarray]:
    """Between plain recurrent layers and those of cuDNN, where the bias tells that they differ.

    cuDNN keeps each gate's kernel by rows where plain layers keep it by columns, and has a bias for the input and one
    for the state; an LSTM's two are summed, a GRU's are the two rows of a `reset_after` layer's bias.
    """
    kernel, recurrent, bias = arrays
    width = gates * recurrent.shape[0] if recurrent.ndim == 2 else 0
    stored, wanted = bias.shape, shapes[2]
    if stored == wanted or kernel.ndim != 2 or not width:
        return arrays
    from_cudnn, to_cudnn = stored == (2 * width,), wanted == (2 * width,)
    plain = stored if to_cudnn else wanted
    if not (from_cudnn or to_cudnn) or plain not in {(width,), (2, width)}:
        return arrays
    if gates == 3 and plain == (width,):
        raise ModelFileError(
            "A cuDNN GRU and a GRU with reset_after=False compute different things, so that the weights of one cannot "
            "be used by the other. Make the layer with `GRU(..., reset_after=True)`."
        )
    order: Any = "F" if from_cudnn else "C"
    pieces = np.split(kernel, gates, axis=1)
    kernel = np.concatenate([piece.T.reshape(piece.shape, order=order) for piece in pieces], axis=1)
    recurrent = np.concatenate([piece.T for piece in np.split(recurrent, gates, axis=1)], axis=1)
    if gates == 3:
        bias = bias.reshape(wanted)
    else:
        bias = bias.reshape(2, -1).sum(axis=0) if from_cudnn else np.concatenate([bias / 2, bias / 2])
    return [kernel, recurrent, bias]
