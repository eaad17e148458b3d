"""Layers around layers: TimeDistributed and Bidirectional."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer
from symgraph.utils.generic_utils import has_arg, is_all_none, to_list

__all__ = ["Bidirectional", "TimeDistributed", "Wrapper"]


class Wrapper(Layer):
    """Base of the layers that contain another layer.

    # Arguments
        layer: the inner layer, or a whole model.
    """

    def __init__(self, layer: Layer, **kwargs: Any):
        if not isinstance(layer, Layer):
            raise TypeError(f"{type(self).__name__}: expected a layer, got {layer!r} of type {type(layer).__name__}. "
                            f"Wrap the layer first and call the result: `{type(self).__name__}(layer)(tensor)`.")
        super().__init__(**kwargs)
        self._set_layer(layer)

    def _set_layer(self, layer: Layer) -> None:
        self.layer = layer

    @property
    def activity_regularizer(self) -> Any:
        """That of the inner layer: it is applied to the output of the wrapper."""
        return getattr(self.layer, "activity_regularizer", None)

    def build(self, input_shape=None):
        self.built = True

    def get_config(self):
        from symgraph.layers import serialize

        return {**super().get_config(), "layer": serialize(self.layer)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        from symgraph.layers import deserialize

        config = dict(config)
        layer = deserialize(config.pop("layer"), custom_objects=custom_objects)
        return cls(layer, **config)


def fold_time(tensor: Any) -> Any:
    """(batch, time, ...) as (batch * time, ...)."""
    return K.reshape(tensor, (-1, *sizes_of(tensor)[2:]))


def unfold_time(tensor: Any, like: Any) -> Any:
    """(batch * time, ...) as (batch, time, ...), with the batch and time of another tensor."""
    return K.reshape(tensor, (*sizes_of(like)[:2], *sizes_of(tensor)[1:]))


def sizes_of(tensor: Any) -> list:
    """The sizes of a tensor: numbers, and tensors where only the run knows."""
    known, symbolic = K.int_shape(tensor), K.shape(tensor)
    return [symbolic[axis] if size is None else size for axis, size in enumerate(known)]


class TimeDistributed(Wrapper):
    """Applies a layer (or model) to each time step.

    # Arguments
        layer: the layer.

    # Input
        (batch, time, ...), or a list of such inputs, of the same time, for a layer that takes several
    # Output
        (batch, time, ...): the output of the layer for each step.

    All steps go through the layer at once, as one batch of `batch * time` samples.
    """

    def __init__(self, layer: Layer, **kwargs: Any):
        super().__init__(layer, **kwargs)
        self.supports_masking = True
        self._inner: tuple = ()

    @staticmethod
    def _folded(shape: Any) -> Any:
        """The shape (the shapes) of one step for those of all steps."""
        if isinstance(shape, list):
            return [TimeDistributed._folded(one) for one in shape]
        batch = None if None in shape[:2] else shape[0] * shape[1]
        return (batch, *shape[2:])

    def build(self, input_shape):
        shapes = input_shape if isinstance(input_shape, list) else [input_shape]
        for shape in shapes:
            if len(shape) < 3:
                raise ValueError(f"TimeDistributed {self.name!r} needs inputs (batch, time, ...) of at least 3 "
                                 f"dimensions, got the shape {tuple(shape)}.")
        if len({shape[1] for shape in shapes} - {None}) > 1:
            raise ValueError(f"TimeDistributed {self.name!r}: the inputs have different numbers of time steps: their "
                             f"shapes are {[tuple(shape) for shape in shapes]}.")
        specs = [InputSpec(shape=(None, None, *shape[2:])) for shape in shapes]
        self.input_spec = specs if isinstance(input_shape, list) else specs[0]
        if not self.layer.built:
            self.layer.build(self._folded(input_shape))
            self.layer.built = True
        self.built = True

    def compute_output_shape(self, input_shape):
        inner = self.layer.compute_output_shape(self._folded(input_shape))
        like = input_shape[0] if isinstance(input_shape, list) else input_shape
        if isinstance(inner, list):
            return [(*like[:2], *shape[1:]) for shape in inner]
        return (*like[:2], *inner[1:])

    @staticmethod
    def _fold(tensors: Any) -> Any:
        """A tensor, None, or a list of them, with the time in the batch."""
        if isinstance(tensors, list):
            return [None if one is None else fold_time(one) for one in tensors]
        return None if tensors is None else fold_time(tensors)

    def call(self, inputs, training=None, mask=None):
        arguments: dict[str, Any] = {}
        if training is not None and has_arg(self.layer.call, "training"):
            arguments["training"] = training
        inner, inner_mask = self._fold(inputs), self._fold(mask)
        if not is_all_none(inner_mask) and has_arg(self.layer.call, "mask"):
            arguments["mask"] = inner_mask
        output = self.layer.call(inner, **arguments)
        self._inner = (inputs, inner)
        like = inputs[0] if isinstance(inputs, list) else inputs
        if isinstance(output, (list, tuple)):
            return [unfold_time(one, like) for one in output]
        return unfold_time(output, like)

    def compute_mask(self, inputs, mask=None):
        """The masks of the inner layer, step by step; a step that was masked stays masked where it gives none."""
        called = bool(self._inner) and self._inner[0] is inputs
        inner = self._inner[1] if called else self._fold(inputs)
        like = inputs[0] if isinstance(inputs, list) else inputs
        # A layer that knows nothing of masks is not asked: it sees single steps, the mask is about whole ones.
        knows = self.layer.supports_masking or type(self.layer).compute_mask is not Layer.compute_mask
        output = self.layer.compute_mask(inner, self._fold(mask)) if knows else None
        if isinstance(output, list):
            return [None if one is None else unfold_time(one, like) for one in output]
        if output is not None:
            return unfold_time(output, like)
        steps = None
        for one in mask if isinstance(mask, list) else [mask]:
            if one is None:
                continue
            for _ in range(2, K.ndim(one)):
                one = K.any(one, axis=-1)
            steps = one if steps is None else K.all(K.stack([steps, one]), axis=0)
        return steps


class Bidirectional(Wrapper):
    """Runs a recurrent layer forwards and a copy of it backwards.

    # Arguments
        layer: a recurrent layer.
        merge_mode: how the two outputs are joined: 'sum', 'mul', 'concat', 'ave', or None for a list of both.
        weights: starting values: those of the forward layer, then those of the backward layer.

    Initial states are those of the forward layer, then those of the backward layer; so are the final states with
    `return_state`.
    """

    def __init__(self, layer: Layer, merge_mode: str | None = "concat", weights: list | None = None, **kwargs: Any):
        if merge_mode not in {"sum", "mul", "ave", "concat", None}:
            raise ValueError(f"Bidirectional: `merge_mode` must be 'sum', 'mul', 'concat', 'ave' or None, got "
                             f"{merge_mode!r}.")
        constants = kwargs.pop("num_constants", None)
        super().__init__(layer, **kwargs)
        for name in ("return_sequences", "go_backwards", "stateful"):
            if not hasattr(layer, name):
                raise ValueError(f"Bidirectional: the layer {layer.name!r} ({type(layer).__name__}) is not recurrent: "
                                 f"it has "
                                 f"no `{name}`.")
        self.merge_mode = merge_mode
        self.forward_layer = self._copy(layer, "forward", layer.go_backwards)
        self.backward_layer = self._copy(layer, "backward", not layer.go_backwards)
        if weights:
            half = len(weights) // 2
            self.forward_layer._initial_weights = weights[:half]
            self.backward_layer._initial_weights = weights[half:]
        self.stateful = layer.stateful
        self.return_sequences = layer.return_sequences
        self.return_state = getattr(layer, "return_state", False)
        self.supports_masking = layer.supports_masking
        self.input_spec = layer.input_spec
        self._num_constants = constants

    def _set_layer(self, layer: Layer) -> None:
        object.__setattr__(self, "layer", layer)  # the two copies hold the weights, this one is their pattern

    @staticmethod
    def _copy(layer: Any, side: str, go_backwards: bool) -> Any:
        config = layer.get_config()
        config["name"] = f"{side}_{layer.name}"
        if "go_backwards" in config:
            config["go_backwards"] = go_backwards
        kind = type(layer)
        if has_arg(kind.from_config, "custom_objects"):
            cells = [getattr(layer, "cell", None)]
            cells += list(getattr(cells[0], "cells", []))
            own = {type(cell).__name__: type(cell) for cell in cells if cell is not None}
            twin = kind.from_config(config, custom_objects=own)
        else:
            twin = kind.from_config(config)
        twin.go_backwards = go_backwards
        return twin

    @property
    def _halves(self) -> tuple:
        return self.forward_layer, self.backward_layer

    # ------------------------------------------------------------------------------------------ shapes
    def build(self, input_shape):
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        constants = input_shape[-self._num_constants:] if isinstance(input_shape, list) and self._num_constants else []
        for layer in self._halves:
            if not layer.built:
                layer.build([shape, *constants] if constants else shape)
                layer.built = True
            if layer._initial_weights is not None:
                layer.set_weights(layer._initial_weights)
                layer._initial_weights = None
        self.input_spec = self.forward_layer.input_spec
        self.built = True

    def compute_output_shape(self, input_shape):
        shapes = self.forward_layer.compute_output_shape(input_shape)
        output, states = (shapes[0], list(shapes[1:])) if self.return_state else (shapes, [])
        if self.merge_mode == "concat":
            output = (*output[:-1], output[-1] * 2)
        outputs = [output] if self.merge_mode else [output, output]
        found = [*outputs, *states, *states]
        return found if len(found) > 1 else found[0]

    def compute_mask(self, inputs, mask=None):
        if isinstance(mask, list):
            mask = mask[0]
        output = mask if self.return_sequences else None
        outputs = [output] if self.merge_mode else [output, output]
        if self.return_state:
            return [*outputs, *([None] * (2 * len(self.forward_layer.states)))]
        return outputs if len(outputs) > 1 else outputs[0]

    # ------------------------------------------------------------------------------------------ states
    def reset_states(self, states: Any = None) -> None:
        """Set the states of both layers: zeros, or a list: those of the forward layer, then those of the backward
        layer."""
        if states is None:
            halves: tuple = (None, None)
        else:
            half = len(states) // 2
            halves = (states[:half], states[half:])
        for layer, values in zip(self._halves, halves):
            layer.reset_states(values)

    # ------------------------------------------------------------------------------------------ the call
    def assert_input_compatibility(self, inputs):
        tensors = to_list(inputs, allow_tuple=True)
        super().assert_input_compatibility(tensors[:1])

    def __call__(self, inputs, initial_state=None, constants=None, **kwargs):
        inputs, initial_state, constants = self._split_inputs(inputs, initial_state, constants)
        if initial_state is None and constants is None:
            return super().__call__(inputs, **kwargs)
        if initial_state is not None and len(initial_state) % 2:
            raise ValueError(f"Bidirectional {self.name!r}: expected an even number of initial states, those of the "
                             f"forward "
                             f"layer and then those of the backward layer; got {len(initial_state)}.")
        if constants is not None:
            self._num_constants = len(constants)
            for layer in self._halves:
                layer._num_constants = len(constants)
        further = [*(initial_state or []), *(constants or [])]
        made_by_layers = [getattr(tensor, "_keras_history", None) is not None for tensor in further]
        if all(made_by_layers):
            return super().__call__([inputs, *further], **kwargs)
        if any(made_by_layers):
            raise ValueError(f"Bidirectional {self.name!r}: the initial states and constants must either all be "
                             f"outputs of "
                             "layers or all be other tensors; you cannot mix them.")
        if initial_state is not None:
            kwargs["initial_state"] = initial_state
        if constants is not None:
            kwargs["constants"] = constants
        return super().__call__(inputs, **kwargs)

    def _split_inputs(self, inputs: Any, initial_state: Any, constants: Any) -> tuple[Any, list | None, list | None]:
        if isinstance(inputs, (list, tuple)):
            rest = list(inputs[1:])
            inputs = inputs[0]
            if rest and self._num_constants:
                rest, constants = rest[:-self._num_constants], rest[-self._num_constants:]
            if rest:
                initial_state = rest
        states = None if initial_state is None else to_list(initial_state, allow_tuple=True)
        return inputs, states, None if constants is None else to_list(constants, allow_tuple=True)

    def call(self, inputs, mask=None, training=None, initial_state=None, constants=None):
        inputs, initial_state, constants = self._split_inputs(inputs, initial_state, constants)
        if isinstance(mask, list):
            mask = mask[0]
        half = len(initial_state) // 2 if initial_state else 0
        given = (initial_state[:half], initial_state[half:]) if initial_state else (None, None)
        results = []
        for layer, states in zip(self._halves, given):
            everything = {"mask": mask, "training": training, "initial_state": states, "constants": constants}
            arguments = {name: value for name, value in everything.items()
                         if value is not None and has_arg(layer.call, name)}
            if mask is not None and "mask" not in arguments:
                raise TypeError(f"Bidirectional {self.name!r}: the layer {type(layer).__name__} does not take the "
                                f"mask.")
            results.append(layer.call(inputs, **arguments))
        final: list = []
        if self.return_state:
            final = [*results[0][1:], *results[1][1:]]
            results = [result[0] for result in results]
        forward, backward = results
        if self.return_sequences:
            backward = K.reverse(backward, 1)  # step by step beside the forward outputs
        outputs = self._merged(forward, backward)
        if final:
            return [*outputs, *final]
        return outputs if len(outputs) > 1 else outputs[0]

    def _merged(self, forward: Any, backward: Any) -> list:
        if self.merge_mode is None:
            return [forward, backward]
        if self.merge_mode == "concat":
            return [K.concatenate([forward, backward], axis=-1)]
        if self.merge_mode == "mul":
            return [forward * backward]
        total = forward + backward
        return [total / 2 if self.merge_mode == "ave" else total]

    def get_config(self):
        config = {**super().get_config(), "merge_mode": self.merge_mode}
        if self._num_constants is not None:
            config["num_constants"] = self._num_constants
        return config
