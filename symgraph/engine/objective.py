"""What `compile` asks for: the loss, the weights and the metrics of each output, as graph.

An `Objective` belongs to one call of `compile`. Its graph is made when it is first needed - by then the shape of the
targets is known, also where only the data can tell it (a loss function of the user's own).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph import losses as losses_module
from symgraph import metrics as metrics_module
from symgraph.engine.layer import as_updates, mask_of
from symgraph.engine.substitution import after_updates
from symgraph.runtime import state
from symgraph.utils.generic_utils import check_for_unexpected_keys, to_list
from symgraph.utils.losses_utils import Reduction, align_weights, compute_weighted_loss

__all__ = ["Objective", "OutputObjective"]

_SPARSE = (losses_module.sparse_categorical_crossentropy,)


class OutputObjective:
    """Loss, weight, target and metrics of one output.

    # Attributes
        loss: loss function or `Loss`, None where the output is not trained.
        target, weights: placeholders of targets and sample weights (made on demand).
        metrics: `(metric, weighted)` pairs; a metric is a `Metric`, or a plain function that gives a dictionary.
    """

    def __init__(self, name: str, output: Any, loss: Any, loss_weight: float, weight_mode: str | None):
        self.name, self.output, self.loss = name, output, loss
        self.loss_weight, self.weight_mode = loss_weight, weight_mode
        self.shape = tuple(output._keras_shape)
        self.mask = mask_of(output)
        self.target: Any = None
        self.weights: Any = None
        #: Whether the caller of `compile` chose the target; whether it has its value by itself and is not fed.
        self.chosen_target = self.given_target = False
        self.metrics: list[tuple[Any, bool]] = []
        #: The function behind the loss; whether it is one of this package's; whether targets are class numbers.
        self.loss_function = getattr(loss, "fn", loss)
        self.is_known = getattr(self.loss_function, "__module__", "") == losses_module.__name__
        self.is_sparse = self.loss_function in _SPARSE
        #: The shape that targets must have, None where only the data can tell.
        self.expected_target_shape: tuple | None = self.shape if self.is_known else None
        if self.is_sparse:
            self.expected_target_shape = (*self.shape[:-1], 1)

    def make_target(self, shape: tuple | None = None) -> None:
        """Make the placeholders, for targets of the given shape."""
        if self.loss is None:
            return
        if not self.chosen_target:
            wanted = self.expected_target_shape or shape or self.shape
            self.target = K.placeholder(shape=wanted, dtype=K.dtype(self.output), name=f"{self.name}_target")
        if self.weights is None:
            weight_shape = (None, None) if self.weight_mode == "temporal" else (None,)
            self.weights = K.placeholder(shape=weight_shape, name=f"{self.name}_sample_weights")


class Objective:
    """The losses and metrics of a compiled model.

    # Arguments
        model: the model.
        loss, metrics, weighted_metrics, loss_weights, sample_weight_mode, target_tensors: as in `Model.compile`.
    """

    def __init__(self, model: Any, loss: Any, metrics: Any, loss_weights: Any, sample_weight_mode: Any,
                 weighted_metrics: Any, target_tensors: Any):
        self.model = model
        names = model.output_names
        loss_list = _per_output(loss, names, "loss", allow_missing=True)
        weight_list = _per_output(loss_weights, names, "loss_weights", default=1.0)
        mode_list = _per_output(sample_weight_mode, names, "sample_weight_mode", allow_missing=True)
        for name, mode in zip(names, mode_list):
            if mode not in {None, "temporal"}:
                raise ValueError(f"sample_weight_mode for the output {name!r} must be None or 'temporal', got "
                                 f"{mode!r}.")
        self.outputs = [
            OutputObjective(name, output, losses_module.get(one), float(1.0 if weight is None else weight), mode)
            for name, output, one, weight, mode in zip(names, model.outputs, loss_list, weight_list, mode_list)
        ]
        for output in self.outputs:
            if output.weight_mode == "temporal" and len(output.shape) < 3:
                raise ValueError(f"Output {output.name!r} has shape {output.shape}: sample_weight_mode 'temporal' is "
                                 "for outputs with a time axis, of at least three dimensions.")
        self.trained = [output for output in self.outputs if output.loss is not None]
        self.several = len(self.outputs) > 1
        self._take_targets(target_tensors)
        self.loss_trackers = [metrics_module.Mean(name=f"{output.name}_loss") for output in self.trained
                              ] if self.several else []
        self._names: list[str] = ["loss", *(tracker.name for tracker in self.loss_trackers)]
        self._collect_metrics(metrics, weighted_metrics)
        self._graphs: dict[tuple, Any] = {}
        self._expanded = False
        self._list_metrics()

    # ------------------------------------------------------------------------------------------ set-up
    def _take_targets(self, target_tensors: Any) -> None:
        if target_tensors is None:
            return
        names = [output.name for output in self.outputs]
        if K.is_tensor(target_tensors):
            target_tensors = [target_tensors]
        if not isinstance(target_tensors, (list, tuple, Mapping)):
            raise TypeError("`target_tensors` must be a tensor, a list with one for each output or a dictionary by "
                            f"output name, got {target_tensors!r}.")
        given = _per_output(target_tensors, names, "target_tensors", allow_missing=True)
        for output, tensor in zip(self.outputs, given):
            if tensor is not None:
                output.target, output.chosen_target = tensor, True
                output.given_target = not K.is_placeholder(tensor)

    def _collect_metrics(self, metrics: Any, weighted_metrics: Any) -> None:
        plain = _metrics_per_output(metrics, self.outputs, "metrics")
        weighted = _metrics_per_output(weighted_metrics, self.outputs, "weighted_metrics")
        for index, output in enumerate(self.outputs):
            for asked, is_weighted in ((plain[index], False), (weighted[index], True)):
                for one in asked:
                    function = resolve_metric(one, output)
                    name = one if isinstance(one, str) else getattr(function, "name", None) or function.__name__
                    name = self._unique_name(name, output.name)
                    if isinstance(function, metrics_module.Metric):
                        if function.name != name:
                            object.__setattr__(function, "name", name)
                        metric = function
                    else:
                        metric = self._metric_of_function(function, name)
                    output.metrics.append((metric, is_weighted))

    def _metric_of_function(self, function: Any, name: str) -> Any:
        """What keeps the running value of a metric function."""
        return metrics_module.MeanMetricWrapper(function, name=name)

    def _unique_name(self, name: str, output_name: str) -> str:
        if self.several:
            name = f"{output_name}_{name}"
        taken, base, number = set(self._names), name, 1
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        self._names.append(name)
        return name

    # ------------------------------------------------------------------------------------------ names, state
    def _list_metrics(self) -> None:
        """Note the metric objects in the order of the results, their names, and how to reset them."""
        own = [metric for output in self.outputs for metric, _ in output.metrics]
        self._of_layers = [metric for metric in self.model._metrics_of_layers() if metric not in own]
        #: The metric objects, those of layers last.
        self.metrics: list = own + self._of_layers
        trackers = self.loss_trackers
        #: 'loss', the losses of the outputs where there are several, the metrics.
        self.metrics_names: list[str] = ["loss", *(one.name for one in trackers), *(one.name for one in self.metrics)]
        every = [*trackers, *self.metrics]
        plain = [one for one in every if type(one).reset_states is metrics_module.Metric.reset_states]
        self._resets = [one.reset_states for one in every if one not in plain]
        self._zeros = [(v.node, np.zeros(K.int_shape(v), v.dtype)) for one in plain for v in one.weights]

    def reset(self) -> None:
        """Set the metrics back to their start."""
        for node, zeros in self._zeros:
            state.set(node, zeros)
        for reset in self._resets:
            reset()

    # ------------------------------------------------------------------------------------------ graph
    def prepare(self, shapes: list | None = None) -> None:
        """Make the placeholders; `shapes` are the shapes of the targets of the trained outputs, batch excluded.

        Where a loss of the user's own meets targets of another shape than before, its part is made anew.
        """
        for index, output in enumerate(self.trained):
            if output.chosen_target:
                output.make_target()  # the sample weights; the target stays
                continue
            if output.target is not None and (shapes is None or output.is_known):
                continue
            shape = None if shapes is None else (None, *shapes[index])
            if output.target is None:
                output.make_target(shape)
            elif shape is not None and not _fits(shape, K.int_shape(output.target)):
                output.make_target(shape)
                self._graphs.clear()
                self.model._forget_functions()

    def feeds(self) -> list:
        """The target placeholders that need data."""
        return [output.target for output in self.trained if not output.given_target]

    def graph(self, weighted: tuple[bool, ...]) -> tuple[Any, list, list]:
        """The computation of loss and metrics.

        # Arguments
            weighted: for each trained output, whether its sample weights are fed.

        # Returns
            The total loss, the results of the metrics (after the update) and the updates of their states.
        """
        if weighted not in self._graphs:
            self.prepare()
            self._expand_dictionaries()
            self._graphs[weighted] = self._build(weighted)
        return self._graphs[weighted]

    def _loss_of(self, output: OutputObjective, weights: Any) -> Any:
        """The loss of one output, a number."""
        return _loss_of(output, weights)

    def expand(self) -> None:
        """Find out which metric functions give dictionaries, and the names in them."""
        if not self._expanded:
            self.prepare()
            self._expand_dictionaries()

    def _expand_dictionaries(self) -> None:
        """A metric function may give a dictionary of tensors: each entry becomes a metric of its own."""
        if self._expanded:
            return
        self._expanded = True
        for output in self.outputs:
            expanded: list[tuple[Any, bool]] = []
            for metric, is_weighted in output.metrics:
                if not isinstance(metric, metrics_module.MeanMetricWrapper) or output.target is None:
                    expanded.append((metric, is_weighted))
                    continue
                function = metric._fn
                if str(getattr(function, "__module__", None)).startswith("symgraph."):
                    expanded.append((metric, is_weighted))
                    continue
                values = function(output.target, output.output, **metric._fn_kwargs)
                if not isinstance(values, Mapping):
                    expanded.append((metric, is_weighted))
                    continue
                for key in values:
                    name = self._unique_name(key, output.name)
                    entry = self._metric_of_function(_entry(function, key), name)
                    expanded.append((entry, is_weighted))
            output.metrics = expanded
        self._list_metrics()

    def _build(self, weighted: tuple[bool, ...]) -> tuple[Any, list, list]:
        total: Any = None
        results: list = []
        updates: list = []

        def keep(metric: Any, *arguments: Any, **keywords: Any) -> None:
            result, changes = metric.step(*arguments, **keywords)
            results.append(result)
            updates.extend(changes)

        for position, output in enumerate(self.trained):
            weights = output.weights if weighted[position] else None
            loss = self._loss_of(output, weights)
            if self.several:
                keep(self.loss_trackers[position], loss)
            term = loss if output.loss_weight == 1.0 else output.loss_weight * loss
            total = term if total is None else total + term
        for output in self.outputs:
            if output.target is None:
                continue
            weights = output.weights if output in self.trained and weighted[self.trained.index(output)] else None
            for metric, is_weighted in output.metrics:
                used = _masked(weights if is_weighted else None, output.mask, K.dtype(output.output))
                keep(metric, output.target, output.output, sample_weight=used)
        for metric in self._of_layers:
            if hasattr(metric, "_value"):
                keep(metric, metric._value)
            else:
                changes = as_updates(metric.updates)
                results.append(after_updates([metric.result()], changes)[0])
                updates.extend(changes)
        for penalty in self.model.losses:
            total = penalty if total is None else total + penalty
        if total is None:
            raise ValueError("The model cannot be compiled because it has no loss to optimize: give `loss=` for at "
                             "least one output, or add one with `add_loss`.")
        if K.ndim(total) > 0:
            total = K.mean(total)
        return total, results, updates


# ---------------------------------------------------------------------------------------------- helpers
def _entry(function: Any, key: str) -> Any:
    def value(y_true: Any, y_pred: Any) -> Any:
        return function(y_true, y_pred)[key]

    return value


def _masked(weights: Any, mask: Any, dtype: str) -> Any:
    """Sample weights times the mask, either may be absent."""
    if mask is None:
        return weights
    mask = K.cast(mask, dtype)
    return mask if weights is None else mask * align_weights(mask, weights)


def _loss_of(output: OutputObjective, weights: Any) -> Any:
    weights = _masked(weights, output.mask, K.dtype(output.output))
    loss = output.loss
    if isinstance(loss, losses_module.Loss):
        values = loss.call(output.target, output.output)
        reduction = loss.reduction
        if reduction == Reduction.NONE:  # a model needs one number
            reduction = Reduction.SUM_OVER_BATCH_SIZE
        return compute_weighted_loss(values, weights, reduction)
    return compute_weighted_loss(loss(output.target, output.output), weights)


def _fits(found: tuple, wanted: tuple) -> bool:
    return len(found) == len(wanted) and all(a is None or b is None or a == b for a, b in zip(found, wanted))


def _per_output(value: Any, names: list[str], what: str, default: Any = None, allow_missing: bool = False) -> list:
    """A value, a list with one item for each output or a dictionary by output name, as a list."""
    if value is None:
        return [default] * len(names)
    if isinstance(value, Mapping):
        check_for_unexpected_keys(what, value, names)
        if what == "loss":
            for name in names:
                if name not in value:
                    warnings.warn(f'Output "{name}" missing from loss dictionary. We assume this was done on purpose: '
                                  f'"{name}" will not be trained, and no data are expected for it.', stacklevel=4)
        return [value.get(name, default) for name in names]
    if isinstance(value, (list, tuple)):
        if len(value) != len(names):
            raise ValueError(f"When passing a list as `{what}`, it should have one entry per model output. The model "
                             f"has {len(names)} outputs {names}, but you passed {what}={value!r}.")
        return list(value)
    if what == "loss_weights":
        raise TypeError(f"`loss_weights` must be a list or a dictionary, got {value!r}.")
    return [value] * len(names)


def _metrics_per_output(metrics: Any, outputs: list[OutputObjective], what: str) -> list[list]:
    names = [output.name for output in outputs]
    if not metrics:
        return [[] for _ in outputs]
    if isinstance(metrics, Mapping):
        check_for_unexpected_keys(what, metrics, names)
        return [to_list(metrics.get(name, []), allow_tuple=True) for name in names]
    if not isinstance(metrics, (list, tuple)):
        raise TypeError(f"`{what}` must be a list or a dictionary, got {metrics!r}. Write {what}=[{metrics!r}].")
    if any(isinstance(item, (list, tuple)) for item in metrics):
        if len(metrics) != len(outputs):
            raise ValueError(f"When passing a list of lists as `{what}`, it should have one entry per model output. "
                             "The "
                             f"model has {len(outputs)} outputs, but you passed {what}={metrics!r}.")
        return [[] if item is None else to_list(item, allow_tuple=True) for item in metrics]
    if len(outputs) > 1:  # the same metrics for each output, each with a state of its own
        return [list(metrics), *(metrics_module.clone_metrics(list(metrics)) for _ in outputs[1:])]
    return [list(metrics)]


def resolve_metric(metric: Any, output: OutputObjective) -> Any:
    """The metric of a name; 'accuracy' and 'crossentropy' depend on the loss and the shape of the output."""
    if metric not in ("accuracy", "acc", "crossentropy", "ce") or not isinstance(metric, str):
        return metrics_module.get(metric)
    is_binary = output.loss_function is losses_module.binary_crossentropy
    if metric in {"accuracy", "acc"}:
        if output.shape[-1] == 1 or is_binary:
            return metrics_module.binary_accuracy
        return metrics_module.sparse_categorical_accuracy if output.is_sparse else metrics_module.categorical_accuracy
    if output.shape[-1] == 1 or is_binary:
        return metrics_module.binary_crossentropy
    return (metrics_module.sparse_categorical_crossentropy if output.is_sparse
            else metrics_module.categorical_crossentropy)
