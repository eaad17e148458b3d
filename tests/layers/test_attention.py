"""Attention and normalisation within samples against formulas in NumPy and PyTorch's layers."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.engine import Input, Model
from symgraph.layers import (
    AdditiveAttention,
    Attention,
    GroupNormalization,
    LayerNormalization,
    Masking,
    MultiHeadAttention,
)
from symgraph.runtime import executor

RNG = np.random.default_rng(3)
QUERY = RNG.normal(size=(2, 3, 4)).astype("float32")
VALUE = RNG.normal(size=(2, 5, 4)).astype("float32")
KEY = RNG.normal(size=(2, 5, 4)).astype("float32")
KEEP = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 1]], bool)


@pytest.fixture(autouse=True)
def on_the_reference_executor():
    with executor.use("numpy"):
        yield


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def hide(scores, allowed):
    return np.where(allowed, scores, -1e9)


@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal):
    q, v, k = Input((None, 4)), Input((None, 4)), Input((None, 4))
    model = Model([q, v, k], Attention(causal=causal)([q, v, k]))
    scores = QUERY @ KEY.transpose(0, 2, 1)
    if causal:
        scores = hide(scores, np.tril(np.ones((3, 5), bool)))
    np.testing.assert_allclose(model.predict([QUERY, VALUE, KEY]), softmax(scores) @ VALUE, rtol=1e-5, atol=1e-6)


def test_attention_with_masks():
    q, v = Input((3, 4)), Input((5, 4))
    layer = Attention(use_scale=True)
    model = Model([q, v], layer([Masking(9.0)(q), Masking(9.0)(v)]))
    layer.set_weights([np.float32(0.7)])
    masked = np.where(KEEP[:, :, None], VALUE, 9.0)
    query = QUERY.copy()
    query[0, 1] = 9.0
    hidden, seen = np.where(KEEP[:, :, None], VALUE, 0), np.where(query == 9.0, 0, query)
    want = softmax(hide(0.7 * seen @ hidden.transpose(0, 2, 1), KEEP[:, None])) @ hidden
    want[0, 1] = 0
    np.testing.assert_allclose(model.predict([query, masked]), want, rtol=1e-5, atol=1e-6)
    assert layer.get_output_mask_at(0) is not None


def test_additive_attention():
    q, v = Input((3, 4)), Input((5, 4))
    layer = AdditiveAttention()
    model = Model([q, v], layer([q, v]))
    scale, = layer.get_weights()
    scores = (scale * np.tanh(QUERY[:, :, None] + VALUE[:, None])).sum(-1)
    np.testing.assert_allclose(model.predict([QUERY, VALUE]), softmax(scores) @ VALUE, rtol=1e-5, atol=1e-6)


def test_many_heads_against_torch():
    torch = pytest.importorskip("torch")
    q, v, k = Input((None, 4)), Input((None, 4)), Input((None, 4))
    allowed = Input((3, 5), dtype="bool")
    layer = MultiHeadAttention(2, 2)
    output, weights = layer(q, v, k, attention_mask=allowed, return_attention_scores=True)
    arrays = [RNG.normal(size=w.shape).astype("float32") for w in layer.get_weights()]
    layer.set_weights(arrays)
    other = torch.nn.MultiheadAttention(4, 2, batch_first=True)
    kernels, biases = arrays[0::2], arrays[1::2]
    with torch.no_grad():
        other.in_proj_weight.copy_(torch.tensor(np.concatenate([w.reshape(4, 4).T for w in kernels[:3]])))
        other.in_proj_bias.copy_(torch.tensor(np.concatenate([b.reshape(4) for b in biases[:3]])))
        other.out_proj.weight.copy_(torch.tensor(kernels[3].reshape(4, 4).T.copy()))
        other.out_proj.bias.copy_(torch.tensor(biases[3]))
    mask = np.tril(np.ones((3, 5), bool), 1)
    want, want_weights = other(*map(torch.tensor, (QUERY, KEY, VALUE)), attn_mask=torch.tensor(~mask),
                               average_attn_weights=False)
    got, got_weights = K.function([q, v, k, allowed], [output, weights])([QUERY, VALUE, KEY, np.stack([mask] * 2)])
    np.testing.assert_allclose(got, want.detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got_weights, want_weights.detach().numpy(), rtol=1e-4, atol=1e-6)


def test_a_causal_head_does_not_see_what_follows():
    x = Input((5, 4))
    layer = MultiHeadAttention(2, 3)
    model = Model(x, layer(x, x, use_causal_mask=True))
    changed = VALUE.copy()
    changed[:, 3:] += 1
    a, b = model.predict(VALUE), model.predict(changed)
    np.testing.assert_array_equal(a[:, :3], b[:, :3])
    assert not np.allclose(a[:, 3:], b[:, 3:])
    again = Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(VALUE), a)


def over_axes(query, value, weights, axes, hidden=None):
    """Attention over some axes, by loops over all others; `hidden` (batch, queries ..., keys ...): not looked at."""
    wq, bq, wk, bk, wv, bv, wo, bo = weights
    q, k, v = (np.einsum("...f,fhd->...hd", data, kernel) + bias
               for data, kernel, bias in ((query, wq, bq), (value, wk, bk), (value, wv, bv)))
    alone = [axis for axis in range(1, query.ndim - 1) if axis not in axes]
    heads, joined = q.shape[-2], np.zeros((*q.shape[:-1], v.shape[-1]))
    scores = np.zeros((len(q), *(q.shape[axis] for axis in alone), heads, *(q.shape[axis] for axis in axes),
                       *(k.shape[axis] for axis in axes)))
    for place in np.ndindex(len(q), *(q.shape[axis] for axis in alone), heads):
        key = [slice(None)] * q.ndim
        key[0], key[-2] = place[0], place[-1]
        for axis, index in zip(alone, place[1:-1]):
            key[axis] = index
        key = tuple(key)
        one, other, values = (array[key].reshape(-1, array.shape[-1]) for array in (q, k, v))
        logits = one @ other.T / np.sqrt(one.shape[-1])
        if hidden is not None:
            logits = np.where(hidden[place[0]].reshape(logits.shape), -np.inf, logits)
        found = np.exp(logits - logits.max(-1, keepdims=True))
        found /= found.sum(-1, keepdims=True)
        scores[place] = found.reshape(scores[place].shape)
        joined[key] = (found @ values).reshape(joined[key].shape)
    return np.tensordot(joined, wo, 2) + bo, scores


@pytest.mark.parametrize("axes, output", [(None, None), ((1, 2), 5), (1, None), ((2,), (3, 2)), (-2, None)])
def test_attention_over_axes(axes, output):
    query = RNG.normal(size=(2, 3, 4, 5)).astype("float32")
    value = RNG.normal(size=(2, 3, 4, 6)).astype("float32")
    if axes == 1:
        value = np.concatenate([value, value[:, :1]], 1)
    q, v = Input((None, *query.shape[2:])), Input(value.shape[1:])
    layer = MultiHeadAttention(2, 3, value_dim=4, output_shape=output, attention_axes=axes)
    model = Model([q, v], layer(q, v, return_attention_scores=True))
    for weight in layer.weights:
        K.set_value(weight, RNG.normal(size=K.int_shape(weight)) / 2)
    attended = (1, 2) if axes is None else tuple(axis % 4 for axis in np.atleast_1d(axes))
    got, scores = model.predict([query, value])
    want, found = over_axes(query, value, layer.get_weights(), attended)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scores, found, rtol=1e-4, atol=1e-5)
    again = MultiHeadAttention.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_masks_over_axes():
    query = RNG.normal(size=(2, 3, 4, 5)).astype("float32")
    allowed = RNG.uniform(size=(2, 3, 4, 3, 4)) < 0.6
    allowed[..., 0, 0] = True
    x, mask = Input((3, 4, 5)), Input((3, 4, 3, 4), dtype="bool")
    layer = MultiHeadAttention(2, 3)
    got = Model([x, mask], layer(x, x, attention_mask=mask)).predict([query, allowed])
    want, _ = over_axes(query, query, layer.get_weights(), (1, 2), ~allowed)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    mask = Input((4, 4), dtype="bool")  # the same for each row
    layer = MultiHeadAttention(2, 3, attention_axes=2)
    got = Model([x, mask], layer(x, x, attention_mask=mask)).predict([query, allowed[:, 0, :, 0]])
    want, _ = over_axes(query, query, layer.get_weights(), (2,), ~allowed[:, 0, :, 0])
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    data = query.copy()
    data[0, 2] = data[1, 1] = 0
    layer = MultiHeadAttention(2, 3, attention_axes=(1, 2))
    masked = Masking()(x)  # (batch, rows, columns): a row of zeros, and each of its places
    got = Model(x, layer(masked, masked)).predict(data)
    hidden = np.broadcast_to((data == 0).all(-1)[:, None, None], (2, 3, 4, 3, 4))
    want, _ = over_axes(data, data, layer.get_weights(), (1, 2), hidden)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_masked_values_are_not_seen():
    x = Input((5, 4))
    layer = MultiHeadAttention(2, 3)
    masked = Masking(9.0)(x)
    model = Model(x, layer(masked, masked))
    data = np.where(KEEP[:, :, None], VALUE, 9.0)
    short = Input((None, 4))
    shorter = Model(short, layer(short, short))
    np.testing.assert_allclose(model.predict(data)[:1, :3], shorter.predict(VALUE[:1, :3]), rtol=1e-5, atol=1e-6)


def test_refusals():
    with pytest.raises(ValueError, match="must be called on a list"):
        Attention()(Input((3, 4)))
    with pytest.raises(ValueError, match="needs a query and a value"):
        MultiHeadAttention(2, 3)(Input((3, 4)))
    for axes in (0, 3, (1, 1), 4):
        with pytest.raises(ValueError, match="`attention_axes` must be different axes between"):
            MultiHeadAttention(2, 3, attention_axes=axes)(Input((3, 4, 5)), Input((3, 4, 5)))
    with pytest.raises(ValueError, match="axis 1 is not attended to, so that it must have the same size"):
        MultiHeadAttention(2, 3, attention_axes=2)(Input((3, 4, 5)), Input((2, 4, 5)))
    with pytest.raises(ValueError, match="do not divide the 4 channels"):
        GroupNormalization(3)(Input((3, 4)))
    with pytest.raises(ValueError, match="is not an axis of the features"):
        LayerNormalization(0)(Input((3, 4)))


# -------------------------------------------------------------------------------- normalisation within samples


@pytest.mark.parametrize("axis", [-1, 1, (1, 2)])
def test_layer_normalization(axis):
    layer = LayerNormalization(axis=axis, epsilon=1e-3)
    x = Input((3, 4))
    model = Model(x, layer(x))
    gamma, beta = (RNG.normal(size=w.shape) for w in layer.get_weights())
    layer.set_weights([gamma, beta])
    shape = {-1: (4,), 1: (3, 1), (1, 2): (3, 4)}[axis]
    normal = (QUERY - QUERY.mean(axis, keepdims=True)) / np.sqrt(QUERY.var(axis, keepdims=True) + 1e-3)
    np.testing.assert_allclose(model.predict(QUERY), normal * gamma.reshape(shape) + beta.reshape(shape), rtol=1e-4,
                               atol=1e-5)


def test_group_normalization_against_torch():
    torch = pytest.importorskip("torch")
    images = RNG.normal(size=(2, 6, 3, 5)).astype("float32")
    layer = GroupNormalization(3, axis=1, epsilon=1e-5)
    x = Input((6, None, 5))
    model = Model(x, layer(x))
    gamma, beta = (RNG.normal(size=6).astype("float32") for _ in range(2))
    layer.set_weights([gamma, beta])
    want = torch.nn.functional.group_norm(*map(torch.tensor, (images,)), 3, torch.tensor(gamma), torch.tensor(beta))
    np.testing.assert_allclose(model.predict(images), want.numpy(), rtol=1e-4, atol=1e-5)
