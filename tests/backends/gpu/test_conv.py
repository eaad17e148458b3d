"""Convolutions and their two gradients against the reference executor."""

from __future__ import annotations

import numpy as np
import pytest
from compare import agree, node_input, run
from host_kernels import needs_compiler

from symgraph.graph.type import new_symbol, numpy_dtype
from symgraph.ops.conv import conv, conv_input_gradient, conv_kernel_gradient

pytestmark = needs_compiler

#: (input, kernel, strides, padding, dilation, groups)
CASES = {
    "one axis": ((2, 9, 3), (4, 3, 5), (1,), ((0, 0),), (1,), 1),
    "causal, dilated": ((2, 9, 3), (3, 3, 4), (1,), ((4, 0),), (2,), 1),
    "two axes": ((3, 7, 6, 2), (3, 2, 2, 4), (2, 1), ((1, 1), (0, 1)), (1, 1), 1),
    "dilated": ((1, 9, 8, 2), (3, 3, 2, 3), (1, 2), ((2, 2), (1, 0)), (2, 3), 1),
    "three axes": ((2, 4, 5, 3, 2), (2, 2, 2, 2, 3), (1, 2, 1), ((0, 1), (1, 1), (0, 0)), (1, 1, 1), 1),
    "a window of one": ((2, 5, 4, 3), (1, 1, 3, 6), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "a window of one, strided": ((2, 5, 4, 3), (1, 1, 3, 6), (2, 2), ((0, 0), (0, 0)), (1, 1), 1),
    "groups": ((2, 6, 5, 4), (3, 3, 2, 6), (1, 1), ((1, 1), (1, 1)), (1, 1), 2),
    "depthwise": ((2, 6, 5, 3), (3, 2, 1, 6), (2, 1), ((1, 1), (0, 1)), (1, 2), 3),
    "large strides leave gaps": ((1, 11, 10, 2), (2, 2, 2, 3), (3, 4), ((0, 0), (0, 0)), (1, 1), 1),
}


def _nodes(case, dtype, batch=None):
    """Return the three operations, and what to feed them."""
    x_shape, kernel_shape, strides, padding, dilation, groups = case
    how = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    rng = np.random.RandomState(0)
    x = node_input((x_shape[0] if batch is None else batch, *x_shape[1:]), dtype)
    kernel = node_input(kernel_shape, dtype)
    out = conv(x, kernel, **how)
    grad = node_input(out.shape, dtype)
    nodes = [
        out,
        conv_input_gradient(grad, kernel, input_shape=x.shape, **how),
        conv_kernel_gradient(x, grad, kernel_shape=kernel.shape, **how),
    ]
    shapes = (x_shape, kernel_shape, (x_shape[0], *out.shape[1:]))
    arrays = [rng.randn(*shape).astype(numpy_dtype(dtype)) for shape in shapes]
    return nodes, list(zip((x, kernel, grad), arrays, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_convolutions_and_gradients(gpu, name):
    nodes, feeds = _nodes(CASES[name], "float64")
    agree(nodes, feeds, gpu, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("dtype", "atol"), [("float16", 3e-2), ("bfloat16", 0.25), ("float32", 1e-4)])
@pytest.mark.parametrize("name", ["two axes", "depthwise"])
def test_element_types(gpu, dtype, atol, name):
    nodes, feeds = _nodes(CASES[name], dtype)
    agree(nodes, feeds, gpu, rtol=1e-2, atol=atol)


@pytest.mark.parametrize("name", ["two axes", "a window of one", "groups"])
def test_a_batch_goes_through_in_chunks(gpu, device, monkeypatch, name):
    from symgraph.backends.gpu.lower import conv as lowering

    monkeypatch.setattr(lowering, "MOST_ELEMENTS", 2000)
    case = CASES[name]
    for images in (1, 7, 20, 0):
        case = ((images, *case[0][1:]), *case[1:])
        nodes, feeds = _nodes(case, "float64", new_symbol())
        agree(nodes, feeds, gpu, rtol=1e-11, atol=1e-11)
    if name == "two axes":
        assert device.launches.count("gemm") > 12


def test_a_depthwise_kernel_gradient_over_many_windows_is_split(gpu, device):
    case = ((6, 40, 40, 2), (3, 3, 1, 2), (1, 1), ((1, 1), (1, 1)), (1, 1), 2)
    nodes, feeds = _nodes(case, "float64")
    agree(nodes[2:], feeds[:1] + feeds[2:], gpu, rtol=1e-11, atol=1e-11)
    again = [run(nodes[2:], feeds[:1] + feeds[2:], gpu)[0].tobytes() for _ in range(2)]
    assert again[0] == again[1]
    assert any(name.startswith("sum") for name in device.launches)
