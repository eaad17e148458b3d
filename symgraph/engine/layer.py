"""`Layer`: what every layer can do.

A layer gives `__init__`, `build(input_shape)` (make the weights), `call(inputs)` (make the output tensors) and
`get_config()`. Everything else - names, weights, losses, shapes, masks, the record of its calls - is here.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.engine.allowance import from_configuration
from symgraph.engine.connectivity import NodeAccess, connect
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer_weights import WeightOwner, contains, weights_without_values
from symgraph.legacy.accept import accept_methods
from symgraph.ops.op import user_location
from symgraph.utils.generic_utils import has_arg, is_all_none, parameter_names, to_list, to_snake_case, unpack_singleton

__all__ = ["InputSpec", "Layer"]

#: What every layer's `__init__` takes beside its own arguments.
COMMON_ARGUMENTS = ("name", "trainable", "dtype", "weights", "input_shape", "batch_input_shape", "batch_size",
                    "input_dim", "input_length", "input_dtype")

#: Attributes that hold layers or variables for bookkeeping, not because they belong to the layer.
_UNTRACKED = frozenset({"_trainable_weights", "_non_trainable_weights", "_layers", "_inbound_nodes", "_outbound_nodes",
                        "_losses", "_updates", "_conditional", "_metrics", "_compile_metrics",
                        "_compile_weighted_metrics", "loss"})


class Layer(WeightOwner, NodeAccess):
    """Base of all layers.

    # Arguments
        name: unique name; default: made from the class name.
        trainable: whether its weights are trained; can be changed at any time before `compile`.
        dtype: dtype of its weights (and of its input, where it is the first layer).
        weights: list of arrays, the starting values of its weights.
        input_shape, batch_input_shape, batch_size, input_dim, input_length: the shape of the input, for the first
            layer of a Sequential model (`batch_input_shape` with the batch, the others without).
    """

    supports_masking: bool

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        accept_methods(cls)  # the arguments that Keras 1 named otherwise

    def __new__(cls, *args: Any, **kwargs: Any) -> Layer:
        # The lists exist before any __init__ runs, so that a subclass may set attributes before `super().__init__`.
        self = super().__new__(cls)
        fill = object.__setattr__
        for name in ("_trainable_weights", "_non_trainable_weights", "_layers", "_inbound_nodes", "_outbound_nodes",
                     "_losses", "_updates", "_metrics"):
            fill(self, name, [])
        fill(self, "_conditional", {})
        fill(self, "_built", False)
        fill(self, "source", None)
        return self

    def __init__(self, **kwargs: Any):
        unknown = [key for key in kwargs if key not in COMMON_ARGUMENTS]
        if unknown:
            own = [n for n in parameter_names(type(self).__init__)[0] if n != "self"]
            known = own + [n for n in COMMON_ARGUMENTS if n not in own]
            raise TypeError(
                f"{type(self).__name__}: unknown keyword argument{'s' if len(unknown) > 1 else ''} "
                f"{', '.join(map(repr, unknown))}. Known arguments: {', '.join(known)}."
            )
        self.supports_masking = getattr(self, "supports_masking", False)
        self.input_spec = None
        self.stateful = False
        self.source = user_location()
        prefix = to_snake_case(type(self).__name__)
        self.name = kwargs.get("name") or f"{prefix}_{K.get_uid(prefix)}"
        self.trainable = kwargs.get("trainable", True)
        given = kwargs.get("input_dtype")  # of Keras 1; whole numbers come in, but weights are never made of them
        self._given_input_dtype = given
        self.dtype = kwargs.get("dtype") or (given if given and "float" in given else None)
        self._initial_weights = kwargs.get("weights")
        batch_shape = self._batch_shape_of(kwargs)
        if batch_shape is not None:
            self.batch_input_shape = batch_shape
        if self.dtype is None:
            self.dtype = K.floatx()

    @staticmethod
    def _batch_shape_of(kwargs: dict) -> tuple | None:
        if kwargs.get("batch_input_shape") is not None:
            return tuple(kwargs["batch_input_shape"])
        shape = kwargs.get("input_shape")
        if shape is None and kwargs.get("input_dim") is not None:
            shape = (kwargs["input_dim"],)
            if "input_length" in kwargs:
                shape = (kwargs["input_length"], *shape)
        if shape is None:
            return None
        if isinstance(shape, (int, np.integer)):
            raise TypeError(f"`input_shape` must be a tuple without the batch, e.g. ({shape},), got {shape!r}.")
        return (kwargs.get("batch_size"), *shape)

    # ------------------------------------------------------------------------------------------ attributes
    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name not in _UNTRACKED and not isinstance(value, (str, int, float, type(None))):
            self._track(value)

    def _track(self, value: Any) -> None:
        """Make a variable or a layer that is set as an attribute part of this layer."""
        if isinstance(value, (list, tuple)):
            for item in value:
                if isinstance(item, Layer):
                    self._track(item)
        elif isinstance(value, Layer):
            if getattr(value, "_is_metric", False):
                if not any(value is known for known in self._metrics):
                    self._metrics.append(value)
            elif value is not self and not any(value is known for known in self._layers):
                self._layers.append(value)
        elif K.is_variable(value):
            weights = self._trainable_weights if getattr(value, "trainable", True) else self._non_trainable_weights
            if not contains(self._trainable_weights + self._non_trainable_weights, value):
                weights.append(value)

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self._built

    @built.setter
    def built(self, value: bool) -> None:
        self._built = value

    @property
    def uses_learning_phase(self) -> bool:
        """Whether the layer does something else in training."""
        return self.__dict__.get("_uses_learning_phase", False)

    @uses_learning_phase.setter
    def uses_learning_phase(self, value: bool) -> None:
        self.__dict__["_uses_learning_phase"] = value

    # ------------------------------------------------------------------------------------------ losses, updates
    def _conditional_on(self, inputs: Any) -> dict:
        tensors = to_list(inputs, allow_tuple=True)
        key = tuple(id(tensor) for tensor in tensors)
        return self._conditional.setdefault(key, {"inputs": tensors, "losses": [], "updates": []})

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Add scalar tensors to the loss of any model that contains the layer.

        With `inputs`, only where the layer is called on these tensors (for penalties on activations).
        """
        if losses is None:
            return
        found = [loss for loss in to_list(losses, allow_tuple=True) if loss is not None]
        (self._losses if inputs is None else self._conditional_on(inputs)["losses"]).extend(found)

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Add updates (see `K.update`) that run with each training step."""
        if updates is None:
            return
        found = [(self, update) for update in as_updates(updates)]
        (self._updates if inputs is None else self._conditional_on(inputs)["updates"]).extend(found)

    def add_metric(self, value: Any, name: str | None = None) -> None:
        """Report the average of a tensor under `name` with the metrics of a model that contains the layer."""
        from symgraph.metrics import Mean

        metric = Mean(name=name or value.name)
        object.__setattr__(metric, "_value", value)
        self._metrics.append(metric)

    def get_losses_for(self, inputs: Any) -> list:
        """The losses of the calls on these inputs; for None, those that depend on no input."""
        if inputs is None:
            return self._losses + [loss for layer in self._layers for loss in layer.get_losses_for(None)]
        return list(self._conditional_at(inputs, "losses"))

    def get_updates_for(self, inputs: Any) -> list:
        """The updates of the calls on these inputs; for None, those that depend on no input."""
        if not self.trainable and not self.stateful:
            return []
        if inputs is None:
            return _active(self._updates) + [u for layer in self._layers for u in layer.get_updates_for(None)]
        return _active(self._conditional_at(inputs, "updates"))

    def _conditional_at(self, inputs: Any, kind: str) -> list:
        tensors = to_list(inputs, allow_tuple=True)
        entry = self._conditional.get(tuple(id(tensor) for tensor in tensors))
        return entry[kind] if entry else []

    @property
    def losses(self) -> list:
        """All losses of the layer and the layers in it."""
        found = list(self._losses)
        for entry in self._conditional.values():
            found += entry["losses"]
        for layer in self._layers:
            found += layer.losses
        return distinct(found)

    @property
    def updates(self) -> list:
        """All updates of the layer and the layers in it; none while it is frozen."""
        if not self.trainable and not self.stateful:
            return []
        found = _active(self._updates)
        for entry in self._conditional.values():
            found += _active(entry["updates"])
        for layer in self._layers:
            found += layer.updates
        return distinct(found)

    @property
    def metrics(self) -> list:
        """The metrics of the layer and the layers in it."""
        return self._metrics_of_layers()

    def _metrics_of_layers(self) -> list:
        """The metrics that were added to the layer and the layers in it; not those that a model was compiled with."""
        return self._metrics + [metric for layer in self._layers for metric in layer._metrics_of_layers()]

    # ------------------------------------------------------------------------------------------ to be overridden
    def build(self, input_shape: Any) -> None:
        """Make the weights for an input of this shape (batch included)."""
        self.built = True

    def set_input(self, tensor: Any) -> None:
        """Give a layer its input before it becomes the first of a `Sequential` (a method of Keras 1).

        # Arguments
            tensor: what the layer reads: a Keras tensor, a placeholder, a variable or any other tensor.

        # Raises
            RuntimeError: the layer is in use already.
        """
        from symgraph.engine.input_layer import Input

        if self._inbound_nodes:
            raise RuntimeError(f"set_input: the layer {self.name!r} has an input already; call `set_input` on a new "
                               "layer, before it is added to a model.")
        source = tensor if getattr(tensor, "_keras_history", None) is not None else Input(tensor=tensor)
        self(source)
        self.__dict__["_given_input"] = source

    def call(self, inputs: Any, **kwargs: Any) -> Any:
        """The output tensor(s) for the input tensor(s)."""
        return inputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the output: the input's, or None for a layer that does not know masks.

        # Raises
            TypeError: a mask arrived at a layer that does not support masks.
        """
        if not self.supports_masking:
            if not is_all_none(mask) and not self._drops_mask():
                raise TypeError(
                    f"Layer {self.name} does not support masking, but was passed an input_mask: {mask}. "
                    "Remove the mask before it (a Lambda drops it), or set `supports_masking = True` in the layer."
                )
            return None
        return mask

    def _drops_mask(self) -> bool:
        """Whether a mask ends here in silence: in a model of a configuration, for tf.keras stores such models."""
        if from_configuration() and "_drops" not in self.__dict__:
            warnings.warn(f"Layer {self.name!r} ({type(self).__name__}) does not support masking: the mask that the "
                          "model's configuration leads to it ends there.", stacklevel=2)
            self.__dict__["_drops"] = True
        return self.__dict__.get("_drops", False)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output for an input shape, found by calling the layer on tensors of that shape.

        A subclass may override it; where it does, its answer is what `layer.output_shape` says.
        """
        shapes = input_shape if isinstance(input_shape, list) else [input_shape]
        probe = self if self.built else _probe_copy(self)
        saved = (list(self._losses), list(self._updates), dict(self._conditional), list(self._metrics))
        try:
            with weights_without_values():
                tensors = [K.placeholder(shape=shape, dtype=self._input_dtype()) for shape in shapes]
                if not probe.built:
                    probe.build(input_shape)
                outputs = probe.call(tensors if isinstance(input_shape, list) else tensors[0])
        finally:
            for name, value in zip(("_losses", "_updates", "_conditional", "_metrics"), saved):
                object.__setattr__(self, name, value)
        if isinstance(outputs, (list, tuple)):
            return [K.int_shape(output) for output in outputs]
        return K.int_shape(outputs)

    def _input_dtype(self) -> str:
        return self.__dict__.get("_given_input_dtype") or self.dtype or K.floatx()

    def get_config(self) -> dict:
        """What `from_config` needs to make the layer again, without its weights."""
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        if hasattr(self, "batch_input_shape"):
            config["batch_input_shape"] = self.batch_input_shape
        if self.dtype is not None:
            config["dtype"] = self.dtype
        return config

    @classmethod
    def from_config(cls, config: dict) -> Layer:
        """The layer of a configuration."""
        return cls(**config)

    # ------------------------------------------------------------------------------------------ the call
    def assert_input_compatibility(self, inputs: Any) -> None:
        """Check the inputs against `input_spec`.

        # Raises
            ValueError: an input that is no symbolic tensor, or does not fit; the message names the layer and both.
        """
        tensors = to_list(inputs, allow_tuple=True)
        for tensor in tensors:
            if not K.is_tensor(tensor):
                raise ValueError(
                    f"Layer {self.name} was called with an input that isn't a symbolic tensor. Received type: "
                    f"{type(tensor)}. All inputs to the layer should be tensors: make one with `Input(shape=...)`, or "
                    "feed arrays to `model.predict`."
                )
        if not self.input_spec:
            return
        specs = to_list(self.input_spec, allow_tuple=True)
        if len(tensors) != len(specs):
            raise ValueError(f"Layer {self.name} expects {len(specs)} inputs, but it received {len(tensors)}.")
        for index, (tensor, spec) in enumerate(zip(tensors, specs)):
            problem = spec.problem(K.int_shape(tensor), K.dtype(tensor)) if spec is not None else None
            if problem:
                which = f"Input {index}" if len(tensors) > 1 else "Input 0"
                raise ValueError(
                    f"{which} is incompatible with layer {self.name}: {problem}. "
                    f"Full shape received: {K.int_shape(tensor)}"
                )

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        """Call the layer on a tensor or a list of tensors; further arguments go to `call`."""
        if isinstance(inputs, (list, tuple)):
            inputs = list(inputs)
        tensors = to_list(inputs)
        with K.name_scope(self.name):
            self.assert_input_compatibility(inputs)
            shapes = [K.int_shape(tensor) for tensor in tensors]
            try:
                self._ensure_built(inputs, shapes)
                # Checked again: `build` often narrows the specification.
                self.assert_input_compatibility(inputs)
                masks = [mask_of(tensor) for tensor in tensors]
                mask = masks if isinstance(inputs, list) else masks[0]
                arguments = dict(kwargs)
                if "mask" in kwargs:
                    mask = kwargs["mask"]
                    masks = to_list(mask)
                elif not is_all_none(masks) and has_arg(self.call, "mask"):
                    arguments["mask"] = mask
                results, output_masks = self._run(inputs, mask, arguments)
                results = [_fresh(result, tensors) for result in results]
            except Exception as error:
                self._explain(error, shapes)
                raise
        output_shapes = self._output_shapes(inputs, shapes, results)
        stored = {key: value for key, value in kwargs.items() if key != "mask"}
        connect(self, tensors, results, masks, output_masks, shapes, output_shapes, stored)
        return unpack_singleton(results)

    def _run(self, inputs: Any, mask: Any, arguments: dict) -> tuple[list, list]:
        """`call` and `compute_mask`, with what belongs to them: penalties, and what inner layers added."""
        before = {id(entry) for entry in self._inner_entries()}
        results = to_list(self.call(inputs, **arguments), allow_tuple=True)
        masks = to_list(self.compute_mask(inputs, mask), allow_tuple=True)
        if len(masks) != len(results):
            masks = [None] * len(results)
        penalties = self._output_penalties(results)
        if penalties:
            self.add_loss(penalties, inputs)
        for entry in self._inner_entries():
            if id(entry) not in before:
                own = self._conditional_on(inputs)
                own["losses"] += entry["losses"]
                own["updates"] += entry["updates"]
        return results, masks

    def _output_penalties(self, results: list) -> list:
        """The penalties on the outputs of a call."""
        regularizer = getattr(self, "activity_regularizer", None)
        return [] if regularizer is None else [regularizer(result) for result in results]

    def _inner_entries(self) -> list[dict]:
        """The losses and updates of the calls of inner layers (a network passes on those of its own)."""
        return [entry for layer in self._layers for entry in layer._conditional.values()]

    def _ensure_built(self, inputs: Any, shapes: list) -> None:
        if not self.built:
            self.build(shapes if isinstance(inputs, list) and len(shapes) > 1 else unpack_singleton(shapes))
            self.built = True
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            self._initial_weights = None

    def _output_shapes(self, inputs: Any, shapes: list, results: list) -> list:
        """The shapes of the results; where the user says more than the graph knows, the user's."""
        found = [K.int_shape(result) for result in results]
        declared = type(self).compute_output_shape
        if declared is Layer.compute_output_shape:
            keras1 = getattr(self, "get_output_shape_for", None)
            if keras1 is None or all(None not in shape[1:] for shape in found):
                return found
            said = keras1(unpack_singleton(shapes))
        elif any(None in shape[1:] for shape in found):
            said = self.compute_output_shape(unpack_singleton(shapes))
        else:
            return found
        said = said if isinstance(said, list) else [said]
        if len(said) != len(found):
            return found
        return [_merge_shapes(real, tuple(wanted)) for real, wanted in zip(found, said)]

    def _explain(self, error: Exception, shapes: list) -> None:
        """Add to an error where it happened: the layer, its input shapes, the user's line."""
        if getattr(error, "_named_layer", False) or not error.args or not isinstance(error.args[0], str):
            return
        where = user_location()
        shown = unpack_singleton(shapes) if shapes else ()
        text = (f"{error.args[0]}\n  in layer {self.name!r} ({type(self).__name__}), called on an input of shape "
                f"{shown}"
                + (f", at {where}" if where else "")
                + (f"; the layer was made at {self.source}" if self.source else ""))
        error.args = (text, *error.args[1:])
        error._named_layer = True  # type: ignore[attr-defined]


# ---------------------------------------------------------------------------------------------- helpers
def _probe_copy(layer: Layer) -> Layer:
    """A copy of an unbuilt layer (and the layers in it) that can be built without touching the original."""
    twin = copy.copy(layer)
    copies: dict[int, Layer] = {}
    for name, value in list(layer.__dict__.items()):
        if name in {"_trainable_weights", "_non_trainable_weights", "_losses", "_updates", "_metrics",
                    "_inbound_nodes", "_outbound_nodes"}:
            object.__setattr__(twin, name, list(value))
        elif name == "_conditional":
            object.__setattr__(twin, name, dict(value))
        elif isinstance(value, Layer) and not value.built:
            copies.setdefault(id(value), _probe_copy(value))
            object.__setattr__(twin, name, copies[id(value)])
        elif isinstance(value, list) and any(isinstance(item, Layer) for item in value):
            object.__setattr__(twin, name, [
                copies.setdefault(id(item), _probe_copy(item)) if isinstance(item, Layer) and not item.built else item
                for item in value
            ])
    return twin


def as_updates(updates: Any) -> list:
    """One update or a sequence of them as a list; a `(variable, new value)` pair is one update."""
    if isinstance(updates, tuple) and len(updates) == 2 and K.is_variable(updates[0]):
        return [updates]
    return [update for update in to_list(updates, allow_tuple=True) if update is not None]


def _active(updates: list) -> list:
    """The updates of layers that are not frozen."""
    return [update for layer, update in updates if layer.trainable or layer.stateful]


def distinct(items: list) -> list:
    """Losses or updates, each computation once: a second call on the same tensor adds the same ones again."""
    kept: dict[Any, Any] = {}
    for item in items:
        parts = item if isinstance(item, tuple) else (item,)
        kept.setdefault(tuple(getattr(part, "node", part) for part in parts), item)
    return list(kept.values())


def mask_of(tensor: Any) -> Any:
    """The mask that the layer which made a tensor computed for it, or None."""
    history = getattr(tensor, "_keras_history", None)
    if history is None:
        return None
    layer, node_index, tensor_index = history
    return layer._inbound_nodes[node_index].output_masks[tensor_index]


def _fresh(output: Any, inputs: list) -> Any:
    """The output as a tensor of its own: an input, or a tensor that another layer made, gets a new handle."""
    if any(output is tensor for tensor in inputs) or getattr(output, "_keras_history", None) is not None:
        return K.identity(output)
    if not K.is_tensor(output):
        raise TypeError(
            f"the layer's `call` returned {output!r} of type {type(output).__name__}; expected a tensor or a list of "
            "tensors"
        )
    return K.identity(output) if K.is_variable(output) else output


def _merge_shapes(real: tuple, said: tuple) -> tuple:
    if len(real) != len(said):
        return real
    return tuple(wanted if size is None else size for size, wanted in zip(real, said))
