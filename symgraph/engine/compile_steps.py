"""The steps of `compile` under the names that Keras gives them, for code that calls Keras' directly.

`Model.compile` has its own in `objective`; what is said here about lists and dictionaries is said there.
"""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

from symgraph import backend as K
from symgraph import metrics as metrics_module
from symgraph.engine.objective import _metrics_per_output, _per_output, resolve_metric
from symgraph.engine.training_utils import get_loss_function, get_metric_name
from symgraph.utils.losses_utils import align_weights

__all__ = [
    "call_metric_function", "collect_metrics", "collect_per_output_metric_info", "get_input_shape_and_dtype",
    "get_metric_function", "get_output_sample_weight_and_mode", "prepare_loss_functions", "prepare_loss_weights",
    "prepare_sample_weights",
]


def get_input_shape_and_dtype(layer: Any) -> tuple:
    """The shape, batch included, and the dtype of the input that a layer or a model was made with; None for either.

    # Raises
        ValueError: a model without layers.
    """
    while hasattr(layer, "layers") and not getattr(layer, "_is_graph_network", False):
        if not layer.layers:
            raise ValueError("An empty Model cannot be used as a Layer.")
        layer = layer.layers[0]
    if getattr(layer, "_is_graph_network", False):
        layer = layer._input_layers[0]
    shape = getattr(layer, "batch_input_shape", None)
    return (shape, layer.dtype) if shape is not None else (None, None)


def prepare_loss_functions(loss: Any, output_names: list[str]) -> list:
    """The losses of the outputs as `Loss` objects, None where an output is not trained.

    # Arguments
        loss: a loss for all outputs, a list with one for each, or a dictionary by output name.
        output_names: names of the outputs.

    # Raises
        ValueError: a list of another length, a name that is no output's, or an unknown loss.
    """
    return [get_loss_function(each) for each in _per_output(loss, list(output_names), "loss")]


def prepare_loss_weights(output_names: list[str], loss_weights: Any = None) -> list[float]:
    """The weights of the losses as a list in the order of the outputs; 1 where nothing is said.

    # Raises
        TypeError: neither a list nor a dictionary.
        ValueError: a list of another length, or a name that is no output's.
    """
    return _per_output(loss_weights, list(output_names), "loss_weights", 1.0)


def get_output_sample_weight_and_mode(skip_target_weighing_indices: list, sample_weight_mode: str | None,
                                      output_name: str, output_index: int) -> tuple:
    """A placeholder for the sample weights of an output, and their mode; None for both if the output is skipped."""
    if output_index in skip_target_weighing_indices:
        return None, None
    shape = (None, None) if sample_weight_mode == "temporal" else (None,)
    return K.placeholder(shape=shape, name=f"{output_name}_sample_weights"), (
        "temporal" if sample_weight_mode == "temporal" else None)


def prepare_sample_weights(output_names: list[str], sample_weight_mode: Any, skip_target_weighing_indices: list
                           ) -> tuple[list, list]:
    """Placeholders for the sample weights of the outputs, and their modes.

    # Raises
        ValueError: a list of another length, a name that is no output's, or an output of a dictionary without a mode.
    """
    names = list(output_names)
    if isinstance(sample_weight_mode, dict):
        missing = [name for index, name in enumerate(names)
                   if name not in sample_weight_mode and index not in skip_target_weighing_indices]
        if missing:
            raise ValueError(f'Output "{missing[0]}" missing from sample_weight_modes dictionary. It has: '
                             f"{sorted(sample_weight_mode)}.")
    modes = _per_output(sample_weight_mode, names, "sample_weight_mode")
    pairs = [get_output_sample_weight_and_mode(skip_target_weighing_indices, mode, name, index)
             for index, (name, mode) in enumerate(zip(names, modes))]
    return [weights for weights, _ in pairs], [mode for _, mode in pairs]


def get_metric_function(metric: Any, output_shape: tuple | None = None, loss_fn: Any = None) -> Any:
    """The metric of a name; 'accuracy' and 'crossentropy' depend on the shape of the output and its loss."""
    from symgraph.engine.objective import _SPARSE

    function = getattr(loss_fn, "fn", loss_fn)
    return resolve_metric(metric, SimpleNamespace(  # type: ignore[arg-type]
        loss_function=function, is_sparse=function in _SPARSE, shape=output_shape or (None,)))


def collect_per_output_metric_info(metrics: Any, output_names: list[str], output_shapes: list, loss_fns: list,
                                   is_weighted: bool = False) -> list[OrderedDict]:
    """The metrics of each output as `Metric` objects by their names.

    # Arguments
        metrics: a list of metrics for every output, a list of lists, or a dictionary by output name.
        output_names, output_shapes, loss_fns: of the outputs.
        is_weighted: whether the metrics take sample weights.

    # Raises
        TypeError: neither a list nor a dictionary.
        ValueError: a list of lists of another length, or a name that is no output's.
    """
    outputs: Any = [SimpleNamespace(name=name) for name in output_names]
    found = []
    for asked, shape, loss in zip(_metrics_per_output(metrics, outputs, "metrics"), output_shapes, loss_fns):
        ofs: OrderedDict = OrderedDict()
        for metric in asked:
            function = get_metric_function(metric, shape, loss)
            name = get_metric_name(metric, is_weighted)
            ofs[name] = function if isinstance(function, metrics_module.Metric) else (
                metrics_module.MeanMetricWrapper(function, name=name))
        found.append(ofs)
    return found


def call_metric_function(metric_fn: Any, y_true: Any, y_pred: Any = None, weights: Any = None, mask: Any = None
                         ) -> Any:
    """The result of a metric for the values of a batch, weighted by sample weights times the mask.

    # Arguments
        metric_fn: a `Metric`.
        y_true, y_pred: targets and outputs; without outputs, `y_true` are the values themselves.
        weights: sample weights, or None.
        mask: mask of the outputs, or None.
    """
    if mask is not None:
        mask = K.cast(mask, K.dtype(y_true if y_pred is None else y_pred))
        weights = mask if weights is None else mask * align_weights(mask, weights)
    values = (y_true,) if y_pred is None else (y_true, y_pred)
    return metric_fn(*values, sample_weight=weights)


def collect_metrics(metrics: Any, output_names: list[str]) -> list[list]:
    """The metrics of each output, as they were given (a function of Keras 1).

    # Raises
        TypeError: neither a list nor a dictionary.
        ValueError: a name that is no output's.
    """
    names: Any = [SimpleNamespace(name=name) for name in output_names]
    if isinstance(metrics, list):
        return [list(metrics) for _ in names]
    return _metrics_per_output(metrics, names, "metrics")
