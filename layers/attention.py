"""Attention: each query takes a weighted mean of values, the weights from how well the keys fit."""

from __future__ import annotations

import math
from typing import Any

from symgraph import backend as K
from symgraph import constraints, initializers, regularizers
from symgraph.engine.layer import Layer
from symgraph.graph.tensor import Tensor
from symgraph.layers.wrappers import sizes_of
from symgraph.ops.shape import iota
from symgraph.utils.generic_utils import is_all_none, to_list

__all__ = ["AdditiveAttention", "Attention", "MultiHeadAttention"]


def _hidden(scores: Any, allowed: Any) -> Any:
    """Scores, far below all others where `allowed` (bool, broadcast to them) is false."""
    low = -65504.0 if K.dtype(scores) == "float16" else -1e9
    return scores + (1.0 - K.cast(allowed, K.dtype(scores))) * low


def _causal(scores: Any) -> Any:
    """Where a query may look in causal attention: (1, queries, keys), true up to its own place."""
    shape = (1, *scores.node.shape[1:])
    return K.greater_equal(Tensor(iota(shape=shape, axis=1, dtype="int32")),
                           Tensor(iota(shape=shape, axis=2, dtype="int32")))


class _Attention(Layer):
    """Common part of the attentions with one head.

    # Arguments
        use_scale: whether the scores have a weight that is trained.
        causal: whether a query may only look at keys up to its own place.
        dropout: part of the attention weights that is dropped in training.
    """

    _wants_list = True

    def __init__(self, use_scale: bool, causal: bool = False, dropout: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.use_scale, self.causal, self.dropout = use_scale, causal, dropout

    def build(self, input_shape):
        if not isinstance(input_shape, list) or not 2 <= len(input_shape) <= 3:
            raise ValueError(f"{type(self).__name__} {self.name!r} must be called on a list [query, value] or [query, "
                             f"value, "
                             f"key], got the shape {input_shape}.")
        if any(len(shape) != 3 for shape in input_shape):
            raise ValueError(f"{type(self).__name__} {self.name!r}: query, value and key are (batch, time, features), "
                             f"got the "
                             f"shapes {input_shape}.")
        self._add_scale(input_shape[0])
        self.built = True

    def _add_scale(self, query_shape: tuple) -> None:
        raise TypeError(f"{type(self).__name__} must define `_add_scale`.")

    def _scores(self, query: Any, key: Any) -> Any:
        raise TypeError(f"{type(self).__name__} must define `_scores`.")

    def call(self, inputs, mask=None, training=None):
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (mask[0], mask[1]) if isinstance(mask, list) else (None, None)
        scores = self._scores(query, key)
        if value_mask is not None:
            scores = _hidden(scores, K.expand_dims(value_mask, 1))
        if self.causal:
            scores = _hidden(scores, _causal(scores))
        weights = K.softmax(scores)
        if 0.0 < self.dropout < 1.0:
            kept = weights
            weights = K.in_train_phase(lambda: K.dropout(kept, self.dropout), kept, training=training)
        result = K.batch_dot(weights, value, axes=(2, 1))
        if query_mask is not None:
            result = result * K.cast(K.expand_dims(query_mask), K.dtype(result))
        return result

    def compute_mask(self, inputs, mask=None):
        return None if is_all_none(mask) else mask[0]

    def get_config(self):
        return {**super().get_config(), "use_scale": self.use_scale, "causal": self.causal, "dropout": self.dropout}


class Attention(_Attention):
    """Attention whose scores are products of queries and keys (Luong et al. 2015).

    # Arguments
        use_scale: whether the scores have a factor that is trained.
        causal: whether a query may only look at keys up to its own place.
        dropout: part of the attention weights that is dropped in training.

    # Input
        A list: query (batch, queries, features), value (batch, keys, size) and optionally key (batch, keys, features).
    # Output
        (batch, queries, size)
    # Masks
        Masked values are not looked at; the output is zero, and masked, for masked queries.
    """

    def __init__(self, use_scale: bool = False, causal: bool = False, dropout: float = 0.0, **kwargs: Any):
        super().__init__(use_scale, causal, dropout, **kwargs)

    def _add_scale(self, query_shape):
        self.attention_scale = self.add_weight(name="scale", shape=(), initializer="ones") if self.use_scale else None

    def _scores(self, query, key):
        scores = K.batch_dot(query, key, axes=(2, 2))
        return scores if self.attention_scale is None else scores * self.attention_scale


class AdditiveAttention(_Attention):
    """Attention whose scores are `sum(scale * tanh(query + key))` (Bahdanau et al. 2015).

    # Arguments
        use_scale: whether the features have factors that are trained.
        causal: whether a query may only look at keys up to its own place.
        dropout: part of the attention weights that is dropped in training.

    # Input
        A list: query (batch, queries, features), value (batch, keys, size) and optionally key (batch, keys, features).
    # Output
        (batch, queries, size)
    """

    def __init__(self, use_scale: bool = True, causal: bool = False, dropout: float = 0.0, **kwargs: Any):
        super().__init__(use_scale, causal, dropout, **kwargs)

    def _add_scale(self, query_shape):
        self.attention_scale = None
        if self.use_scale:
            self.attention_scale = self.add_weight(name="scale", shape=(query_shape[-1],), initializer="glorot_uniform")

    def _scores(self, query, key):
        joined = K.tanh(K.expand_dims(query, 2) + K.expand_dims(key, 1))
        return K.sum(joined if self.attention_scale is None else joined * self.attention_scale, axis=-1)


class MultiHeadAttention(Layer):
    """Several attentions at once, each on projections of its own (Vaswani et al. 2017).

    # Arguments
        num_heads: number of heads.
        key_dim: size of a head's queries and keys.
        value_dim: size of a head's values; default: `key_dim`.
        dropout: part of the attention weights that is dropped in training.
        use_bias: whether the projections have biases.
        output_shape: size of the output, or a tuple of sizes; default: that of the query.
        attention_axes: the axes over which a query looks at keys (an integer or several); default: all between the
            batch and the features. Along the others each place attends by itself.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
        kernel_constraint, bias_constraint: of all projections.

    # Call
        `layer(query, value, key=value, attention_mask=None)`, or with a list. query (batch, queries, features), value
        and key (batch, keys, ...), attention_mask (batch, queries, keys), true where a query may look;
        `use_causal_mask=True`: only up to its own place; `return_attention_scores=True`: gives the attention weights
        (batch, heads, queries, keys) as well. Each of `queries` and `keys` may be several axes; those that are not in
        `attention_axes` are of the same size in all inputs, and stand behind the batch in masks and weights.
    # Output
        (batch, queries, output_shape)
    """

    _wants_list = True

    def __init__(self, num_heads: int, key_dim: int, value_dim: int | None = None, dropout: float = 0.0,
                 use_bias: bool = True, output_shape: Any = None, attention_axes: Any = None,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        for name, value in (("num_heads", num_heads), ("key_dim", key_dim)):
            if not hasattr(value, "__index__") or value < 1:
                raise ValueError(f"MultiHeadAttention: `{name}` must be a positive integer, got {value!r}.")
        self.supports_masking = True
        self.num_heads, self.key_dim, self.value_dim = num_heads, key_dim, value_dim or key_dim
        self.dropout, self.use_bias = dropout, use_bias
        self._output_sizes = None if output_shape is None else tuple(to_list(output_shape, allow_tuple=True))
        self._axes = None if attention_axes is None else tuple(to_list(attention_axes, allow_tuple=True))
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def __call__(self, query, value=None, key=None, attention_mask=None, **kwargs):
        inputs = list(query) if isinstance(query, (list, tuple)) else [query]
        for more in (value, key):
            if more is not None:
                inputs.append(more)
        if attention_mask is not None:
            kwargs["attention_mask"] = attention_mask
        return super().__call__(inputs, **kwargs)

    def build(self, input_shape):
        if not isinstance(input_shape, list) or not 2 <= len(input_shape) <= 3:
            raise ValueError(f"MultiHeadAttention {self.name!r} needs a query and a value: `layer(query, value)`, got "
                             f"inputs of "
                             f"the shapes {input_shape}.")
        query, value = input_shape[0], input_shape[1]
        key = input_shape[2] if len(input_shape) > 2 else value
        rank = len(query)
        if rank < 3 or any(len(shape) != rank or shape[-1] is None for shape in (query, value, key)):
            raise ValueError(f"MultiHeadAttention {self.name!r}: query, value and key are (batch, time ..., features) "
                             f"with known features and equally many axes, got the shapes {input_shape}.")
        axes = range(1, rank - 1) if self._axes is None else [axis % rank for axis in self._axes]
        if not axes or len(set(axes)) != len(axes) or not set(axes) <= set(range(1, rank - 1)):
            raise ValueError(f"MultiHeadAttention {self.name!r}: `attention_axes` must be different axes between the "
                             f"batch and the features, got {self._axes} for inputs of the shapes {input_shape}.")
        self._attended = tuple(axes)
        self._alone = tuple(axis for axis in range(1, rank - 1) if axis not in axes)
        for axis in self._alone:
            if len({shape[axis] for shape in (query, value, key)} - {None}) > 1:
                raise ValueError(f"MultiHeadAttention {self.name!r}: axis {axis} is not attended to, so that it must "
                                 f"have the same size in query, value and key; got the shapes {input_shape}.")
        heads, sizes = self.num_heads, self._output_sizes or (query[-1],)

        def pair(name: str, shape: tuple, bias: tuple) -> tuple:
            kernel = self.add_weight(name=f"{name}/kernel", shape=shape, initializer=self.kernel_initializer,
                                     regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
            if not self.use_bias:
                return kernel, None
            return kernel, self.add_weight(name=f"{name}/bias", shape=bias, initializer=self.bias_initializer,
                                           regularizer=self.bias_regularizer, constraint=self.bias_constraint)

        self._query = pair("query", (query[-1], heads, self.key_dim), (heads, self.key_dim))
        self._key = pair("key", (key[-1], heads, self.key_dim), (heads, self.key_dim))
        self._value = pair("value", (value[-1], heads, self.value_dim), (heads, self.value_dim))
        self._output = pair("attention_output", (heads, self.value_dim, *sizes), sizes)
        self.built = True

    # ------------------------------------------------------------------------------------------ axes
    def _folded(self, tensor: Any) -> Any:
        """(batch, axes ..., features) as (batch and what is not attended to, what is, features)."""
        if K.ndim(tensor) == 3:
            return tensor
        moved = K.permute_dimensions(tensor, (0, *self._alone, *self._attended, K.ndim(tensor) - 1))
        sizes, alone = sizes_of(moved), 1 + len(self._alone)
        return K.reshape(moved, (math.prod(sizes[:alone]), math.prod(sizes[alone:-1]), sizes[-1]))

    def _unfolded(self, tensor: Any, query: Any) -> Any:
        """An output, (batch and what is not attended to, what is, sizes ...), with the axes of the query."""
        if K.ndim(query) == 3:
            return tensor
        sizes = sizes_of(query)
        order = (0, *self._alone, *self._attended)
        count = len(order)
        spread = K.reshape(tensor, (*(sizes[axis] for axis in order), *sizes_of(tensor)[2:]))
        back = [order.index(axis) for axis in range(count)]
        return K.permute_dimensions(spread, (*back, *range(count, K.ndim(spread))))

    def _spread(self, scores: Any, query: Any, key: Any) -> Any:
        """Scores (batch and what is not attended to, heads, queries, keys) with all their axes."""
        if K.ndim(query) == 3:
            return scores
        queries, keys = sizes_of(query), sizes_of(key)
        return K.reshape(scores, (queries[0], *(queries[axis] for axis in self._alone), self.num_heads,
                                  *(sizes[axis] for sizes in (queries, keys) for axis in self._attended)))

    def _masked(self, scores: Any, query: Any, key: Any, masks: list, attention_mask: Any) -> Any:
        """Scores that are low where a mask hides a key; masks of keys are (batch, axes ...) with or without the last
        ones."""
        masks = [mask for mask in masks if mask is not None]
        if not masks and attention_mask is None:
            return scores
        count, whole = len(self._attended), self._spread(scores, query, key)
        for mask in masks:
            while K.ndim(mask) < K.ndim(key) - 1:
                mask = K.expand_dims(mask, -1)
            mask = K.permute_dimensions(mask, (0, *self._alone, *self._attended))
            for _ in range(1 + count):  # the same for all heads and queries
                mask = K.expand_dims(mask, 1 + len(self._alone))
            whole = _hidden(whole, mask)
        if attention_mask is not None:
            while K.ndim(attention_mask) < K.ndim(whole):  # the same for all heads, and where nothing is attended to
                attention_mask = K.expand_dims(attention_mask, K.ndim(attention_mask) - 2 * count)
            whole = _hidden(whole, attention_mask)
        return whole if K.ndim(query) == 3 else K.reshape(whole, sizes_of(scores))

    # ------------------------------------------------------------------------------------------ the call
    def _heads(self, inputs: Any, weights: tuple) -> Any:
        """A projection, head by head: (batch, time, features) -> (batch, heads, time, size)."""
        kernel, bias = weights
        features, heads, size = K.int_shape(kernel)
        projected = K.dot(inputs, K.reshape(kernel, (features, heads * size)))
        if bias is not None:
            projected = projected + K.reshape(bias, (heads * size,))
        return K.permute_dimensions(K.reshape(projected, (*sizes_of(inputs)[:2], heads, size)), (0, 2, 1, 3))

    def call(self, inputs, mask=None, attention_mask=None, return_attention_scores=False, use_causal_mask=False,
             training=None):
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        folded = self._folded(query)
        queries = self._heads(folded, self._query) * self.key_dim**-0.5
        keys, values = self._heads(self._folded(key), self._key), self._heads(self._folded(value), self._value)
        scores = queries @ K.permute_dimensions(keys, (0, 1, 3, 2))
        scores = self._masked(scores, query, key, mask[1:] if isinstance(mask, list) else [], attention_mask)
        if use_causal_mask:
            scores = _hidden(scores, _causal(scores[:, 0])[None])
        weights = K.softmax(scores)
        used = weights
        if 0.0 < self.dropout < 1.0:
            used = K.in_train_phase(lambda: K.dropout(weights, self.dropout), weights, training=training)
        joined = K.permute_dimensions(used @ values, (0, 2, 1, 3))
        kernel, bias = self._output
        heads, size, *out = K.int_shape(kernel)
        lengths = sizes_of(folded)[:2]
        output = K.dot(K.reshape(joined, (*lengths, heads * size)), K.reshape(kernel, (heads * size, math.prod(out))))
        if bias is not None:
            output = output + K.reshape(bias, (math.prod(out),))
        if len(out) > 1:
            output = K.reshape(output, (*lengths, *out))
        output = self._unfolded(output, query)
        return [output, self._spread(weights, query, key)] if return_attention_scores else output

    def compute_mask(self, inputs, mask=None):
        return None if is_all_none(mask) else mask[0]

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "output_shape": self._output_sizes,
            "attention_axes": self._axes,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }
