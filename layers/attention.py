"""Attention: each query takes a weighted mean of values, the weights from how well the keys fit."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph import constraints, initializers, regularizers
from symgraph.engine.layer import Layer
from symgraph.graph.tensor import Tensor
from symgraph.ops.shape import iota
from symgraph.utils.generic_utils import is_all_none

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
        output_shape: size of the output; default: that of the query.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
        kernel_constraint, bias_constraint: of all projections.

    # Call
        `layer(query, value, key=value, attention_mask=None)`, or with a list. query (batch, queries, features), value
        and
        key (batch, keys, ...), attention_mask (batch, queries, keys), true where a query may look;
        `use_causal_mask=True`: only up to its own place; `return_attention_scores=True`: gives the attention weights
        (batch, heads, queries, keys) as well.
    # Output
        (batch, queries, output_shape)
    """

    _wants_list = True

    def __init__(self, num_heads: int, key_dim: int, value_dim: int | None = None, dropout: float = 0.0,
                 use_bias: bool = True, output_shape: int | None = None, kernel_initializer: Any = "glorot_uniform",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, kernel_constraint: Any = None, bias_constraint: Any = None,
                 **kwargs: Any):
        super().__init__(**kwargs)
        for name, value in (("num_heads", num_heads), ("key_dim", key_dim)):
            if not hasattr(value, "__index__") or value < 1:
                raise ValueError(f"MultiHeadAttention: `{name}` must be a positive integer, got {value!r}.")
        self.supports_masking = True
        self.num_heads, self.key_dim, self.value_dim = num_heads, key_dim, value_dim or key_dim
        self.dropout, self.use_bias = dropout, use_bias
        if isinstance(output_shape, (list, tuple)) and len(output_shape) == 1:
            output_shape = output_shape[0]
        self._output_size = output_shape
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
        if any(len(shape) != 3 or shape[-1] is None for shape in (query, value, key)):
            raise ValueError(f"MultiHeadAttention {self.name!r}: query, value and key are (batch, time, features) "
                             f"with known "
                             f"features, got the shapes {input_shape}.")
        heads, size = self.num_heads, self._output_size or query[-1]

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
        self._output = pair("attention_output", (heads, self.value_dim, size), (size,))
        self.built = True

    def _heads(self, inputs: Any, weights: tuple) -> Any:
        """A projection, head by head: (batch, time, features) -> (batch, heads, time, size)."""
        kernel, bias = weights
        features, heads, size = K.int_shape(kernel)
        projected = K.dot(inputs, K.reshape(kernel, (features, heads * size)))
        if bias is not None:
            projected = projected + K.reshape(bias, (heads * size,))
        known, sizes = K.int_shape(inputs), K.shape(inputs)
        lengths = [sizes[k] if known[k] is None else known[k] for k in (0, 1)]
        return K.permute_dimensions(K.reshape(projected, (*lengths, heads, size)), (0, 2, 1, 3))

    def call(self, inputs, mask=None, attention_mask=None, return_attention_scores=False, use_causal_mask=False,
             training=None):
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        queries = self._heads(query, self._query) * self.key_dim**-0.5
        keys, values = self._heads(key, self._key), self._heads(value, self._value)
        scores = queries @ K.permute_dimensions(keys, (0, 1, 3, 2))
        masks = list(mask) if isinstance(mask, list) else [None, None]
        if masks[1] is not None:
            scores = _hidden(scores, masks[1][:, None, None, :])
        if len(masks) > 2 and masks[2] is not None:
            scores = _hidden(scores, masks[2][:, None, None, :])
        if attention_mask is not None:
            allowed = attention_mask if K.ndim(attention_mask) == 4 else K.expand_dims(attention_mask, 1)
            scores = _hidden(scores, allowed)
        if use_causal_mask:
            scores = _hidden(scores, _causal(scores[:, 0])[None])
        weights = K.softmax(scores)
        used = weights
        if 0.0 < self.dropout < 1.0:
            used = K.in_train_phase(lambda: K.dropout(weights, self.dropout), weights, training=training)
        joined = K.permute_dimensions(used @ values, (0, 2, 1, 3))
        kernel, bias = self._output
        heads, size, out = K.int_shape(kernel)
        known, sizes = K.int_shape(query), K.shape(query)
        lengths = [sizes[k] if known[k] is None else known[k] for k in (0, 1)]
        output = K.dot(K.reshape(joined, (*lengths, heads * size)), K.reshape(kernel, (heads * size, out)))
        if bias is not None:
            output = output + bias
        return [output, weights] if return_attention_scores else output

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
            "output_shape": self._output_size,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }
