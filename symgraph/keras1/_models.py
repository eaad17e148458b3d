"""`Model` and `Sequential` as Keras 1 has them: its arguments and defaults, its losses and its order of weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from symgraph import models as new_models
from symgraph.engine import saving_steps
from symgraph.engine.model import Model as NewModel
from symgraph.engine.saving import load_with
from symgraph.engine.sequential import Sequential as NewSequential
from symgraph.keras1 import _losses, _optimizers
from symgraph.legacy.masked_losses import MaskedMeans

__all__ = ["Model", "Sequential", "known_layers", "layer_from_config", "load_model", "model_from_config",
           "model_from_json", "model_from_yaml", "save_model"]


def known_layers(of_theano: bool = False) -> dict[str, Any]:
    """Every Keras-1 class that a configuration may name; `of_theano`: of a model that ran on Theano."""
    from symgraph import keras1

    classes, on_theano = keras1.layer_classes(), keras1.theano_layer_classes()
    if of_theano:
        classes.update(on_theano)
    classes.update({value.__name__: value for value in on_theano.values()})
    return {**classes, "Model": Model, "Sequential": Sequential, "Container": Model}


class _OldModel:
    """What Keras-1 models do otherwise; stands before a model class of this package."""

    _objective_class = MaskedMeans
    _testing = False

    # ------------------------------------------------------------------------------------------ training graph
    def compile(self, optimizer, loss, metrics=[], loss_weights=None, sample_weight_mode=None, **kwargs):  # noqa: B006
        """Set what training minimises and how; see `symgraph.models.Model.compile`."""
        super().compile(_optimizers.get(optimizer), _old_losses(loss), _old_metrics(metrics), loss_weights,
                        sample_weight_mode, **kwargs)

    @property
    def losses(self):
        """The penalties; while a function for testing is made, none: Keras 1 has them in training only."""
        return [] if self._testing else super().losses

    def _make_function(self, mode: str, weighted: tuple = ()) -> Any:
        if mode != "test":
            return super()._make_function(mode, weighted)
        objective = self._compiled
        graphs, objective._graphs = objective._graphs, {}
        self._testing = True
        try:
            return super()._make_function(mode, weighted)
        finally:
            self._testing = False
            objective._graphs = graphs

    def _optimizer_steps(self, total: Any, params: list) -> list:
        constraints = {p: p.constraint for p in params if getattr(p, "constraint", None) is not None}
        if isinstance(self.optimizer, _optimizers.Optimizer):
            return self.optimizer.get_updates(params, constraints, total)
        return super()._optimizer_steps(total, params)

    def _batch_size(self, batch_size):
        # Keras 1 takes 32 where nothing is said, and feeds what there is: a model of a fixed, smaller size gets that.
        fixed = [shape[0] for shape in self._feed_input_shapes if shape and shape[0] is not None]
        if fixed and batch_size is not None and batch_size > fixed[0]:
            batch_size = fixed[0]
        return super()._batch_size(batch_size)

    # ------------------------------------------------------------------------------------------ loops
    def fit(self, x, y, batch_size=32, nb_epoch=10, verbose=1, callbacks=[], validation_split=0.0,  # noqa: B006
            validation_data=None, shuffle=True, class_weight=None, sample_weight=None, initial_epoch=0, **kwargs):
        """Train for a number of epochs (10, where nothing is said)."""
        return super().fit(x, y, batch_size=batch_size, epochs=kwargs.pop("epochs", nb_epoch), verbose=verbose,
                           callbacks=callbacks, validation_split=validation_split, validation_data=validation_data,
                           shuffle=shuffle, class_weight=class_weight, sample_weight=sample_weight,
                           initial_epoch=initial_epoch, **kwargs)

    def evaluate(self, x, y, batch_size=32, verbose=1, sample_weight=None, **kwargs):
        """The loss, without penalties, and the metrics on data."""
        return super().evaluate(x, y, batch_size=batch_size, verbose=verbose, sample_weight=sample_weight, **kwargs)

    def predict(self, x, batch_size=32, verbose=0):
        """The outputs for data."""
        return super().predict(x, batch_size=batch_size, verbose=verbose)

    def train_on_batch(self, x, y, sample_weight=None, class_weight=None, **kwargs):
        """One update on one batch; the loss, or a list of the loss and the metrics."""
        return super().train_on_batch(x, y, sample_weight=sample_weight, class_weight=class_weight, **kwargs)

    def fit_generator(self, generator, samples_per_epoch, nb_epoch, verbose=1, callbacks=[],  # noqa: B006
                      validation_data=None, nb_val_samples=None, class_weight={}, max_q_size=10,  # noqa: B006
                      nb_worker=1, pickle_safe=False, initial_epoch=0, **kwargs):
        """Train on a generator; an epoch is over after `samples_per_epoch` samples."""
        return super().fit_generator(
            generator=generator, samples_per_epoch=samples_per_epoch, nb_epoch=nb_epoch, verbose=verbose,
            callbacks=callbacks, validation_data=validation_data, nb_val_samples=nb_val_samples,
            class_weight=class_weight or None, max_q_size=max_q_size, nb_worker=nb_worker, pickle_safe=pickle_safe,
            initial_epoch=initial_epoch, **kwargs)

    def evaluate_generator(self, generator, val_samples, max_q_size=10, nb_worker=1, pickle_safe=False, **kwargs):
        """`evaluate` on `val_samples` samples of a generator."""
        return super().evaluate_generator(generator=generator, val_samples=val_samples, max_q_size=max_q_size,
                                          nb_worker=nb_worker, pickle_safe=pickle_safe, **kwargs)

    def predict_generator(self, generator, val_samples, max_q_size=10, nb_worker=1, pickle_safe=False):
        """The outputs for `val_samples` samples of a generator."""
        return super().predict_generator(generator=generator, val_samples=val_samples, max_q_size=max_q_size,
                                         nb_worker=nb_worker, pickle_safe=pickle_safe)

    # ------------------------------------------------------------------------------------------ configuration
    def _updated_config(self):
        return {**super()._updated_config(), "keras_version": "1.2.2"}  # the words that it is in

    # ------------------------------------------------------------------------------------------ weights, shapes
    def save_weights_to_hdf5_group(self, f):
        """Store the weights in an open `h5py.File` or `h5py.Group`."""
        saving_steps.save_weights_to_hdf5_group(f, self.layers)

    def load_weights_from_hdf5_group(self, f):
        """Load weights from an open `h5py.File` or `h5py.Group`, layer by layer in their order."""
        saving_steps.load_weights_from_hdf5_group(f, self.layers)

    def load_weights_from_hdf5_group_by_name(self, f):
        """Load weights from an open `h5py.File` or `h5py.Group` into the layers of the same names."""
        saving_steps.load_weights_from_hdf5_group_by_name(f, self.layers)

    def get_weights(self):
        """The values of the weights, layer by layer, as Keras 1 lays them out."""
        return [value for layer in self.layers for value in layer.get_weights()]

    def set_weights(self, weights):
        """Set the values of the weights, in the order and layout of `get_weights`."""
        wanted = [len(layer.get_weights()) for layer in self.layers]
        if sum(wanted) != len(weights):
            raise ValueError(f"The model {self.name!r} has {sum(wanted)} weights, but {len(weights)} arrays were "
                             "given.")
        start = 0
        for layer, count in zip(self.layers, wanted):
            if count:
                layer.set_weights(list(weights[start:start + count]))
            start += count

    def get_output_shape_for(self, input_shape):
        """The shape of the output for an input shape."""
        return self.compute_output_shape(input_shape)

    @classmethod
    def from_config(cls, config, custom_objects=None, **kwargs):
        """The model of a configuration, made of Keras-1 layers."""
        return super().from_config(config, custom_objects={**known_layers(), **(custom_objects or {})})


class Model(_OldModel, NewModel):
    """A network that can be trained, as Keras 1 has it.

    # Arguments
        input, output: tensors, or lists of them.
        name: name of the model.
    """

    __module__ = "symgraph.keras1.models"

    def __init__(self, input=None, output=None, name=None, **kwargs):
        super().__init__(kwargs.pop("inputs", input), kwargs.pop("outputs", output), name=name, **kwargs)


class Sequential(_OldModel, NewSequential):
    """A linear stack of layers, as Keras 1 has it.

    # Arguments
        layers: list of layers.
        name: name of the model.
    """

    __module__ = "symgraph.keras1.models"

    def __init__(self, layers=[], name=None, **kwargs):  # noqa: B006
        NewSequential.__init__(self, list(layers) if layers else None, name=name, **kwargs)

    def _start(self, layer):
        super()._start(layer)
        if not self.built:
            object.__setattr__(self, "_layers", [])
            raise ValueError("The first layer in a Sequential model must get an `input_shape` or `batch_input_shape` "
                             f"argument: {layer.name!r} ({type(layer).__name__}) has neither.")

    @property
    def flattened_layers(self):
        """The layers, those of nested Sequential models and of the branches of a Merge among them."""
        found = []
        for layer in self.layers:
            for part in getattr(layer, "merged", None) or [layer]:
                found += part.flattened_layers if isinstance(part, Sequential) else [part]
            if getattr(layer, "merged", None):
                found.append(layer)
        return found

    def compile(self, optimizer, loss, metrics=[], sample_weight_mode=None, **kwargs):  # noqa: B006
        """Set what training minimises and how."""
        for old in ("class_mode", "show_accuracy"):  # before Keras 1.0
            kwargs.pop(old, None)
        super().compile(optimizer, loss, metrics=metrics, sample_weight_mode=sample_weight_mode, **kwargs)

    def train_on_batch(self, x, y, class_weight=None, sample_weight=None, **kwargs):
        """One update on one batch."""
        return super().train_on_batch(x, y, sample_weight=sample_weight, class_weight=class_weight, **kwargs)

    def predict_proba(self, x, batch_size=32, verbose=1):
        """Class probabilities: `predict`."""
        return NewSequential.predict_proba(self, x, batch_size, verbose)

    def predict_classes(self, x, batch_size=32, verbose=1):
        """Class numbers: the largest output, or for a single output whether it is above one half."""
        return NewSequential.predict_classes(self, x, batch_size, verbose)

    def get_config(self):
        """A list of the layers' classes and configurations."""
        config = super().get_config()
        entries = config["layers"] if isinstance(config, dict) else config
        branches = getattr(self.layers[0], "merged", None) if self.layers else None
        if branches:
            entries[0]["config"]["layers"] = [{"class_name": type(branch).__name__, "config": branch.get_config()}
                                              for branch in branches]
        return entries

    @classmethod
    def from_config(cls, config, layer_cache=None, custom_objects=None):
        """The model of a list of layers' configurations."""
        entries = config["layers"] if isinstance(config, dict) else config
        branches = entries[0]["config"].get("layers") if entries and entries[0]["class_name"] == "Merge" else None
        if not branches:
            return super().from_config(config, custom_objects=custom_objects)
        known = {**known_layers(), **(custom_objects or {})}
        inner = {key: value for key, value in entries[0]["config"].items() if key != "layers"}
        merged = known["Merge"].from_config(inner)
        with _shared_branches() as made:
            # A branch that stands in several places is one model: the names in it are unique.
            keys = [json.dumps(branch, sort_keys=True, default=repr) for branch in branches]
            for key, branch in zip(keys, branches):
                if key not in made:
                    made[key] = layer_from_config(branch, custom_objects)
            merged.join([made[key] for key in keys])
        model = cls()
        model.add(merged)
        for entry in entries[1:]:
            model.add(layer_from_config(entry, custom_objects))
        return model


_BRANCHES: ContextVar[dict | None] = ContextVar("branches", default=None)


@contextmanager
def _shared_branches() -> Iterator[dict]:
    """The models that were made for a `Merge` already, by configuration, while a configuration is being read."""
    made = _BRANCHES.get()
    token = _BRANCHES.set({} if made is None else made)
    try:
        yield _BRANCHES.get()  # type: ignore[misc]
    finally:
        _BRANCHES.reset(token)


# ---------------------------------------------------------------------------------------------- losses, metrics
def _mapped(value: Any, change: Any) -> Any:
    if isinstance(value, dict):
        return {key: _mapped(one, change) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mapped(one, change) for one in value]
    return change(value)


def _old_losses(loss: Any) -> Any:
    return _mapped(loss, lambda one: _losses.get_objective(one) if isinstance(one, str) else one)


def _old_metrics(metrics: Any) -> Any:
    def change(one: Any) -> Any:
        if one in {"accuracy", "acc"}:
            return "acc"
        return _losses.get_metric(one) if isinstance(one, str) else one

    return _mapped(metrics, change)


# ---------------------------------------------------------------------------------------------- functions
def layer_from_config(config, custom_objects={}):  # noqa: B006
    """The layer of `{'class_name': ..., 'config': ...}`."""
    from symgraph import layers

    return layers.deserialize(config, custom_objects={**known_layers(), **(custom_objects or {})})


def model_from_config(config, custom_objects={}):  # noqa: B006
    """The model of `{'class_name': ..., 'config': ...}`, with new weights.

    # Raises
        Exception: a bare list, as `Sequential.get_config()` gives.
    """
    if isinstance(config, list):
        raise Exception("`model_from_config` expects a dictionary. Maybe you meant to use "
                        "`Sequential.from_config(config)`?")
    return layer_from_config(config, custom_objects)


def model_from_json(json_string, custom_objects={}):  # noqa: B006
    """The model of `model.to_json()`, with new weights."""
    return model_from_config(json.loads(json_string), custom_objects)


def model_from_yaml(yaml_string, custom_objects={}):  # noqa: B006
    """The model of `model.to_yaml()`, with new weights."""
    import yaml

    return model_from_config(yaml.safe_load(yaml_string), custom_objects)


def save_model(model, filepath, overwrite=True):
    """Write a model, its weights and the state of its training."""
    new_models.save_model(model, filepath, overwrite=overwrite)


def load_model(filepath, custom_objects={}):  # noqa: B006
    """The model that `save_model` wrote, made of Keras-1 layers."""
    return load_with(filepath, lambda origin: {**known_layers(origin.theano), **_optimizers.known_optimizers(),
                                               **(custom_objects or {})})
