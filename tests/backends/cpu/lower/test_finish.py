"""What is computed with a convolution, against the reference in float64."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import config
from symgraph.backends.cpu.checked import run_checked
from symgraph.compiler.verify import verify
from symgraph.runtime import function
from symgraph.runtime.executor import use


@pytest.fixture(autouse=True)
def verified(monkeypatch):
    monkeypatch.setattr(function, "CHECK", verify)


def twice(build, shapes, seed=0, scale=0.3):
    """Results of one program on the CPU in float32 and by the reference in float64, and the program.

    Args:
        build: makes outputs from placeholders of the shapes; the first size is the batch.
    """
    random = np.random.RandomState(seed)
    arrays = [random.standard_normal(shape) * scale for shape in shapes]
    results, call = [], None
    for name, dtype in (("numpy", "float64"), ("numba", "float32")):
        with use(name):
            inputs = [K.placeholder(shape=(None, *shape[1:]), dtype=dtype) for shape in shapes]
            call = K.function(inputs, build(*inputs))
            results.append(call([array.astype(dtype) for array in arrays]))
    return results[1], results[0], call, [array.astype("float32") for array in arrays]


def agree(got, want, tolerance=1e-5):
    for one, other in zip(got, want, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max(initial=1e-30))


KINDS = {  # channels, filters, window, strides, depthwise
    "direct": (3, 20, 3, 1, False),
    "direct, strided": (5, 17, 3, 2, False),
    "winograd": (32, 40, 3, 1, False),
    "plain": (16, 24, 1, 1, False),
    "depthwise": (6, 1, 3, 1, True),
    "depthwise, strided": (6, 2, 3, 2, True),
}
EXPRESSIONS = {
    "linear": lambda y, other: y,
    "relu": lambda y, other: K.relu(y),
    "leaky": lambda y, other: K.relu(y, alpha=0.2),
    "relu6": lambda y, other: K.relu(y, max_value=0.5),
    "tanh": lambda y, other: K.tanh(y),
    "elu": lambda y, other: K.elu(y),
    "swish": lambda y, other: y * K.sigmoid(y),
    "softplus": lambda y, other: K.softplus(y),
    "residual": lambda y, other: K.relu(y + other),
    "each image": lambda y, other: y * other[:, :1, :1],
}


def layer(kind, expression, pool=None, gradients=True, images=2, sizes=(13, 14), padding="same"):
    """What `twice` gives of a convolution, a bias, an expression and pooling, with gradients of everything."""
    channels, filters, window, stride, alone = kind
    wide = channels * filters if alone else filters
    low = [-(-n // stride) if padding == "same" else (n - window) // stride + 1 for n in sizes]
    shapes = [(images, *sizes, channels), (window, window, channels, filters), (wide,), (images, *low, wide)]

    def build(x, w, b, other):
        w, b = (K.reshape(one, shape) for one, shape in ((w, shapes[1]), (b, shapes[2])))
        combine = K.depthwise_conv2d if alone else K.conv2d
        y = expression(K.bias_add(combine(x, w, strides=(stride, stride), padding=padding), b), other)
        if pool is not None:
            mode, size = pool
            y = K.pool2d(y, size, strides=size, pool_mode=mode)
        return [y, *(K.gradients(K.sum(K.square(y)), [x, w, b]) if gradients else [])]

    return twice(build, shapes)


def names(call):
    return [step.name for step in call.variants()[0].runner.program.steps]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("direct", name) for name in EXPRESSIONS),
        *((kind, name) for kind in KINDS if kind != "direct" for name in ("linear", "residual")),
        ("winograd", "relu6"),
        ("plain", "each image"),
        ("depthwise", "each image"),
    ],
)
def test_expressions(kind, name):
    got, want, call, _ = layer(KINDS[kind], EXPRESSIONS[name], gradients=name in ("relu", "residual"))
    agree(got, want)
    assert {"fused_conv", "fused_matmul"} & set(names(call)) and "conv" not in names(call)


@pytest.mark.parametrize(
    ("kind", "name", "mode", "size"),
    [
        ("direct", "relu", "max", (2, 2)),
        ("direct", "tanh", "max", (3, 3)),
        ("direct", "relu", "avg", (1, 2)),
        ("direct, strided", "tanh", "avg", (2, 2)),
        ("direct, strided", "relu", "max", (4, 2)),
        ("winograd", "relu", "max", (2, 2)),
        ("winograd", "tanh", "max", (4, 2)),
        ("winograd", "relu", "avg", (1, 2)),
        ("winograd", "tanh", "avg", (2, 2)),
        ("winograd", "relu", "max", (3, 3)),
    ],
)
def test_pooling(kind, name, mode, size):
    got, want, call, _ = layer(KINDS[kind], EXPRESSIONS[name], (mode, size))
    agree(got, want)
    if size != (3, 3) or kind != "winograd":
        assert not {"max_pool", "average_pool", "max_pool_places"} & set(names(call))


@pytest.mark.parametrize(("images", "sizes"), [(0, (8, 8)), (1, (33, 7)), (5, (23, 26))])
@pytest.mark.parametrize("kind", [KINDS["direct"], KINDS["winograd"]], ids=str)
def test_sizes(kind, sizes, images):
    agree(*layer(kind, EXPRESSIONS["residual"], ("max", (2, 2)), images=images, sizes=sizes)[:2])


def test_one_axis():
    def build(x, w, b):
        y = K.relu(K.bias_add(K.conv1d(x, K.reshape(w, (5, 3, 8)), padding="same"), K.reshape(b, (8,))))
        y = K.pool2d(K.expand_dims(y, 1), (1, 4), strides=(1, 4))
        return [y, *K.gradients(K.sum(K.square(y)), [x, w, b])]

    agree(*twice(build, [(3, 1301, 3), (5, 3, 8), (8,)])[:2])


def test_a_result_besides_its_maxima():
    def build(x, w):
        y = K.tanh(K.conv2d(x, K.reshape(w, (3, 3, 20, 24))))
        return [y, K.pool2d(y, (2, 2), strides=(2, 2)), K.sum(y, axis=1)]

    got, want, call, _ = twice(build, [(2, 15, 14, 20), (3, 3, 20, 24)])
    agree(got, want)
    assert "max_pool" not in names(call)


def test_a_result_of_another_type():
    def build(x, w):
        kernel = K.reshape(w, (3, 3, 20, 24))
        return [K.cast(K.greater(K.conv2d(x, kernel, strides=(s, s)), 0.5), "int32") for s in (1, 2)]

    got, want, _, _ = twice(build, [(2, 15, 14, 20), (3, 3, 20, 24)])
    for one, other in zip(got, want, strict=True):
        assert (one != other).mean() < 1e-3  # numbers that are nearly equal may fall on either side


@pytest.mark.parametrize("kind", [KINDS["direct"], KINDS["winograd"], KINDS["depthwise"]], ids=str)
def test_not_a_number_stays_one(kind):
    channels, filters, window, _, alone = kind
    with use("numba"):
        x = K.placeholder(shape=(None, 12, 12, channels))
        w = K.variable(np.ones((window, window, channels, filters)))
        combine = K.depthwise_conv2d if alone else K.conv2d
        y = K.relu(K.bias_add(combine(x, w), K.variable(np.full(channels * filters if alone else filters, -1e6))))
        whole, pooled = K.function([x], [y]), K.function([x], [K.pool2d(y, (2, 2), strides=(2, 2))])
        array = np.zeros((1, 12, 12, channels), "float32")
        array[0, 5, 5] = np.nan
        found, largest = whole([array])[0], pooled([array])[0]
    seen = np.zeros((1, 10, 10), bool)
    seen[:, 3:6, 3:6] = True
    tiles = np.zeros((1, 10, 10), bool)  # Winograd's algorithm: all results of a tile read its whole window
    tiles[:, :8, :8] = True
    assert np.isnan(found[seen]).all() and (found[~tiles] == 0).all()
    assert np.isnan(largest[:, 1:3, 1:3]).all() and (largest[:, 4:] == 0).all()


@pytest.mark.parametrize("kind", [KINDS["direct"], KINDS["winograd"], KINDS["depthwise"]], ids=str)
def test_threads_and_bounds(kind):
    """The same bits from any number of threads; and every access stays inside."""
    before = config.threads()
    try:
        found = []
        for threads in (1, 2, 3, 4):
            config.set_threads(threads)
            got, want, call, arrays = layer(kind, EXPRESSIONS["residual"], ("max", (2, 2)), sizes=(7, 10))
            found.append(got)
            agree(got, want)
    finally:
        config.set_threads(before)
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
    agree(run_checked(call.bound(), arrays, 7), found[0])
