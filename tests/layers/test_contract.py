"""What every layer must keep: configuration and weights round-trip, the shape it declares, a gradient to train on."""

import inspect

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import layers
from symgraph.engine import Input, Layer, Model

IMAGE = (6, 5, 2)
#: class name -> list of (arguments, input shapes without the batch)
CASES = {
    "Activation": [({"activation": "tanh"}, (4,)), ({"activation": "softmax"}, (3, 4))],
    "ActivityRegularization": [({"l1": 0.1, "l2": 0.2}, (4,))],
    "Add": [({}, [(4,), (4,)]), ({}, [(3, 4), (3, 4), (4,)])],
    "Average": [({}, [(4,), (4,), (4,)])],
    "AveragePooling2D": [({}, IMAGE), ({"pool_size": 3, "strides": 2, "padding": "same"}, IMAGE)],
    "BatchNormalization": [({}, (4,)), ({"axis": 1, "scale": False}, (3, 4)), ({"center": False}, IMAGE)],
    "Concatenate": [({}, [(4,), (2,)]), ({"axis": 1}, [(3, 4), (2, 4)])],
    "Conv2D": [({"filters": 3, "kernel_size": 3}, IMAGE),
               ({"filters": 3, "kernel_size": (2, 3), "strides": 2, "padding": "same", "use_bias": False}, IMAGE),
               ({"filters": 2, "kernel_size": 2, "dilation_rate": 2, "activation": "relu"}, IMAGE),
               ({"filters": 3, "kernel_size": 3, "data_format": "channels_first"}, (2, 6, 5))],
    "Cropping2D": [({"cropping": ((1, 0), (2, 1))}, IMAGE), ({"cropping": 1}, IMAGE)],
    "Dense": [({"units": 3}, (4,)), ({"units": 3, "activation": "relu", "use_bias": False}, (5, 4)),
              ({"units": 2, "kernel_regularizer": "l2", "activity_regularizer": "l1", "kernel_constraint": "max_norm",
                "bias_constraint": "non_neg", "kernel_initializer": "he_normal"}, (4,))],
    "Dropout": [({"rate": 0.5}, (4,)), ({"rate": 0.3, "noise_shape": (None, 1, 4), "seed": 3}, (3, 4))],
    "ELU": [({"alpha": 0.5}, (4,))],
    "Flatten": [({}, (3, 4)), ({"data_format": "channels_first"}, IMAGE)],
    "GlobalAveragePooling2D": [({}, IMAGE), ({"data_format": "channels_first"}, IMAGE)],
    "GlobalMaxPooling2D": [({}, IMAGE)],
    "Lambda": [({"function": lambda x: x * 2.0}, (4,))],
    "LeakyReLU": [({"alpha": 0.2}, (4,))],
    "Masking": [({"mask_value": 0.5}, (3, 4))],
    "MaxPooling2D": [({}, IMAGE), ({"pool_size": (3, 2), "strides": 1, "padding": "same"}, IMAGE),
                     ({"data_format": "channels_first"}, (2, 6, 5))],
    "Maximum": [({}, [(4,), (4,)])],
    "Minimum": [({}, [(4,), (4,)])],
    "Multiply": [({}, [(4,), (4,)])],
    "PReLU": [({}, (4,)), ({"shared_axes": [1, 2], "alpha_initializer": "ones"}, IMAGE)],
    "Permute": [({"dims": (2, 1)}, (3, 4))],
    "ReLU": [({"max_value": 1.0, "negative_slope": 0.1, "threshold": 0.2}, (4,))],
    "RepeatVector": [({"n": 3}, (4,))],
    "Reshape": [({"target_shape": (2, -1)}, (3, 4))],
    "Softmax": [({"axis": 1}, (3, 4))],
    "Subtract": [({}, [(4,), (4,)])],
    "ThresholdedReLU": [({"theta": 0.1}, (4,))],
    "UpSampling2D": [({"size": (2, 3)}, IMAGE), ({"interpolation": "bilinear"}, IMAGE)],
    "ZeroPadding2D": [({"padding": ((1, 0), (2, 1))}, IMAGE), ({"padding": (1, 2)}, IMAGE)],
}
ALL = [(name, number) for name, cases in sorted(CASES.items()) for number in range(len(cases))]


def build(name, number):
    arguments, shapes = CASES[name][number]
    layer = getattr(layers, name)(**arguments)
    several = isinstance(shapes, list)
    inputs = [Input(shape) for shape in (shapes if several else [shapes])]
    output = layer(inputs if several else inputs[0])
    rng = np.random.default_rng(number)
    data = [rng.normal(size=(4, *shape)).astype("float32") for shape in (shapes if several else [shapes])]
    return layer, Model(inputs, output), data


def test_every_layer_is_here():
    known = {name for name, value in vars(layers).items()
             if inspect.isclass(value) and issubclass(value, Layer) and not name.startswith("_")}
    classes = {getattr(layers, name).__name__ for name in known}
    assert classes - set(CASES) == {"Layer", "InputLayer"}


@pytest.mark.parametrize("name, number", ALL)
def test_contract(name, number):
    layer, model, data = build(name, number)
    want = model.predict(data)

    # the shape it says, after and before the call
    assert model.output_shape == (None, *want.shape[1:])
    shapes = CASES[name][number][1]
    batched = [(None, *s) for s in shapes] if isinstance(shapes, list) else (None, *shapes)
    fresh = type(layer).from_config(layer.get_config())
    assert tuple(fresh.compute_output_shape(batched)) == (None, *want.shape[1:])
    assert not fresh.weights

    # configuration and weights
    assert fresh.get_config() == layer.get_config()
    again = Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(data), want)

    # every constructor argument is in the configuration
    arguments = [n for n in inspect.signature(type(layer).__init__).parameters if n not in ("self", "kwargs")]
    missing = {n for n in arguments if n not in layer.get_config()}
    assert missing <= {"mask"}, missing

    # training changes what is trainable, and nothing else
    model.compile("sgd", "mse")
    before = {w.name: K.get_value(w) for w in model.weights}
    model.train_on_batch(data, np.random.default_rng(5).normal(size=want.shape))
    for weight in model.trainable_weights:
        assert np.abs(K.get_value(weight) - before[weight.name]).max() > 0, weight.name
    layer.trainable = False
    model.compile("sgd", "mse")
    before = {w.name: K.get_value(w) for w in model.weights}
    model.train_on_batch(data, np.zeros(want.shape))
    for weight in model.weights:
        np.testing.assert_array_equal(K.get_value(weight), before[weight.name])


@pytest.mark.parametrize("name, number", ALL)
def test_gradient_by_finite_differences(name, number):
    layer, model, data = build(name, number)
    output = model.outputs[0]
    rng = np.random.default_rng(7)
    cotangent = K.constant(rng.normal(size=(4, *output.shape[1:])))
    loss = K.sum(output * cotangent)
    function = K.function([*model.inputs, K.learning_phase()], [loss, *K.gradients(loss, model.inputs)])
    value, *grads = function([*data, 0])
    for index, (array, grad) in enumerate(zip(data, grads)):
        direction = rng.normal(size=array.shape).astype("float32")
        direction /= np.linalg.norm(direction)
        step = 1e-2
        values = []
        for sign in (1, -1):
            moved = list(data)
            moved[index] = array + sign * step * direction
            values.append(float(function([*moved, 0])[0]))
        slope = (values[0] - values[1]) / (2 * step)
        assert float((grad * direction).sum()) == pytest.approx(slope, abs=3e-2, rel=3e-2)
