"""Trajectories of the optimizers against independent NumPy code in float64."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import constraints, optimizers, schedules

START = [np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([0.3, -0.7])]
SCALE = [np.array([[0.5, 1.5], [2.0, 0.1]]), np.array([1.0, 3.0])]
STEPS = 7


def gradients(params):
    """Of sum(scale * p**4 / 4 + p)."""
    return [s * p**3 + 1.0 for s, p in zip(SCALE, params)]


def trajectory(optimizer, constraint=None):
    params = [K.variable(value, dtype="float64") for value in START]
    for param in params:
        param.constraint = constraint
    loss = sum(K.sum(K.constant(s, "float64") * K.pow(p, 4.0)) * 0.25 + K.sum(p) for s, p in zip(SCALE, params))
    step = K.function([], [loss], updates=optimizer.get_updates(loss, params))
    values = []
    for _ in range(STEPS):
        step([])
        values.append([K.get_value(p) for p in params])
    return values


def by_hand(update, state=lambda p: {}, lr=0.05, decay=0.0, change=lambda grads: grads):
    """update(t, lr, p, g, state) -> new p, for t = 1, 2, ..."""
    params = [p.copy() for p in START]
    states = [state(p) for p in params]
    values = []
    for t in range(1, STEPS + 1):
        rate = lr / (1 + decay * (t - 1))
        grads = change(gradients(params))
        params = [update(t, rate, p, g, s) for p, g, s in zip(params, grads, states)]
        values.append([p.copy() for p in params])
    return values


def zeros(*names):
    return lambda p: {name: np.zeros_like(p) for name in names}


def sgd(momentum=0.0, nesterov=False):
    def update(t, lr, p, g, s):
        s["m"] = momentum * s["m"] - lr * g
        return p + momentum * s["m"] - lr * g if nesterov else p + s["m"]

    return update


def rmsprop(rho=0.9, eps=1e-7):
    def update(t, lr, p, g, s):
        s["a"] = rho * s["a"] + (1 - rho) * g**2
        return p - lr * g / (np.sqrt(s["a"]) + eps)

    return update


def adagrad(t, lr, p, g, s):
    s["a"] = s["a"] + g**2
    return p - lr * g / (np.sqrt(s["a"]) + 1e-7)


def adadelta(t, lr, p, g, s, rho=0.95, eps=1e-7):
    s["a"] = rho * s["a"] + (1 - rho) * g**2
    step = g * np.sqrt(s["d"] + eps) / np.sqrt(s["a"] + eps)
    s["d"] = rho * s["d"] + (1 - rho) * step**2
    return p - lr * step


def adam(amsgrad=False, b1=0.9, b2=0.999, eps=1e-7):
    def update(t, lr, p, g, s):
        s["m"] = b1 * s["m"] + (1 - b1) * g
        s["v"] = b2 * s["v"] + (1 - b2) * g**2
        v = s["v"]
        if amsgrad:
            v = s["w"] = np.maximum(s["w"], v)
        return p - lr * np.sqrt(1 - b2**t) / (1 - b1**t) * s["m"] / (np.sqrt(v) + eps)

    return update


def adamax(t, lr, p, g, s, b1=0.9, b2=0.999, eps=1e-7):
    s["m"] = b1 * s["m"] + (1 - b1) * g
    s["u"] = np.maximum(b2 * s["u"], np.abs(g))
    return p - lr / (1 - b1**t) * s["m"] / (s["u"] + eps)


def nadam(t, lr, p, g, s, b1=0.9, b2=0.999, eps=1e-7, decay=0.004):
    now, after = (b1 * (1 - 0.5 * 0.96 ** (k * decay)) for k in (t, t + 1))
    s["product"] = s.get("product", 1.0) * now
    s["m"] = b1 * s["m"] + (1 - b1) * g
    s["v"] = b2 * s["v"] + (1 - b2) * g**2
    mean = (1 - now) * g / (1 - s["product"]) + after * s["m"] / (1 - s["product"] * after)
    return p - lr * mean / (np.sqrt(s["v"] / (1 - b2**t)) + eps)


def adamw(t, lr, p, g, s):
    return adam()(t, lr, p, g, s) - lr * 0.1 * p


def lion(t, lr, p, g, s, b1=0.9, b2=0.99):
    step = np.sign(b1 * s["m"] + (1 - b1) * g) + 0.2 * p
    s["m"] = b2 * s["m"] + (1 - b2) * g
    return p - lr * step


CASES = {
    "adamw": (lambda: optimizers.AdamW(0.05, weight_decay=0.1), lambda: by_hand(adamw, zeros("m", "v"))),
    "lion": (lambda: optimizers.Lion(0.05, weight_decay=0.2), lambda: by_hand(lion, zeros("m"))),
    "schedule": (lambda: optimizers.SGD(schedules.InverseTimeDecay(0.05, 1, 0.3)),
                 lambda: by_hand(sgd(), zeros("m"), decay=0.3)),
    "sgd": (lambda: optimizers.SGD(0.05), lambda: by_hand(sgd(), zeros("m"))),
    "momentum": (lambda: optimizers.SGD(0.01, momentum=0.9), lambda: by_hand(sgd(0.9), zeros("m"), lr=0.01)),
    "nesterov": (lambda: optimizers.SGD(0.01, momentum=0.9, nesterov=True),
                 lambda: by_hand(sgd(0.9, True), zeros("m"), lr=0.01)),
    "decay": (lambda: optimizers.SGD(lr=0.05, decay=0.3), lambda: by_hand(sgd(), zeros("m"), decay=0.3)),
    "rmsprop": (lambda: optimizers.RMSprop(0.05), lambda: by_hand(rmsprop(), zeros("a"))),
    "rmsprop decay": (lambda: optimizers.RMSprop(0.05, rho=0.7, decay=0.2, epsilon=1e-3),
                      lambda: by_hand(rmsprop(0.7, 1e-3), zeros("a"), decay=0.2)),
    "adagrad": (lambda: optimizers.Adagrad(0.05), lambda: by_hand(adagrad, zeros("a"))),
    "adadelta": (lambda: optimizers.Adadelta(), lambda: by_hand(adadelta, zeros("a", "d"), lr=1.0)),
    "adam": (lambda: optimizers.Adam(0.05), lambda: by_hand(adam(), zeros("m", "v"))),
    "adam decay": (lambda: optimizers.Adam(0.05, decay=0.1), lambda: by_hand(adam(), zeros("m", "v"), decay=0.1)),
    "amsgrad": (lambda: optimizers.Adam(0.05, beta_2=0.5, amsgrad=True),
                lambda: by_hand(adam(True, b2=0.5), zeros("m", "v", "w"))),
    "adamax": (lambda: optimizers.Adamax(0.05), lambda: by_hand(adamax, zeros("m", "u"))),
    "nadam": (lambda: optimizers.Nadam(0.05), lambda: by_hand(nadam, zeros("m", "v"))),
    "clipvalue": (lambda: optimizers.SGD(0.05, clipvalue=0.5),
                  lambda: by_hand(sgd(), zeros("m"), change=lambda gs: [np.clip(g, -0.5, 0.5) for g in gs])),
    "clipnorm": (lambda: optimizers.SGD(0.05, clipnorm=2.0), lambda: by_hand(
        sgd(), zeros("m"), change=lambda gs: [g * min(1.0, 2.0 / np.sqrt(sum((h**2).sum() for h in gs))) for g in gs])),
}


@pytest.mark.parametrize("name", CASES)
def test_trajectory(name):
    # The hyperparameters are float32 variables; in float64 the formulas agree to their rounding.
    K.set_floatx("float64")
    try:
        make, reference = CASES[name]
        got = trajectory(make())
    finally:
        K.set_floatx("float32")
    for step, (values, wanted) in enumerate(zip(got, reference())):
        for value, want in zip(values, wanted):
            np.testing.assert_allclose(value, want, rtol=1e-9, atol=1e-12, err_msg=f"step {step}")


def test_constraints_apply_after_the_update():
    values = trajectory(optimizers.SGD(0.05), constraint=constraints.NonNeg())
    assert all((p >= 0).all() for step in values for p in step)


@pytest.mark.parametrize("cls", [optimizers.SGD, optimizers.RMSprop, optimizers.Adagrad, optimizers.Adadelta,
                                 optimizers.Adam, optimizers.Adamax, optimizers.Nadam, optimizers.AdamW,
                                 optimizers.Lion])
def test_configurations_and_both_names_of_the_rate(cls):
    optimizer = cls(lr=0.25, clipnorm=1.0)
    assert float(K.get_value(optimizer.lr)) == float(K.get_value(optimizer.learning_rate)) == 0.25
    optimizer.lr = 0.5
    assert float(K.get_value(optimizer.learning_rate)) == 0.5
    K.set_value(optimizer.lr, 0.125)
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert type(again) is cls and again.get_config() == optimizer.get_config()
    assert again.get_config()["learning_rate"] == 0.125 and again.clipnorm == 1.0
    assert type(optimizers.get(cls.__name__.lower())) is cls
    with pytest.raises(TypeError, match="Unexpected keyword.*momentun"):
        cls(momentun=0.9)


def test_defaults():
    rates = {name: float(K.get_value(optimizers.get(name).lr)) for name in
             ("sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "nadam")}
    want = {"sgd": 0.01, "rmsprop": 0.001, "adagrad": 0.01, "adadelta": 1.0, "adam": 0.001, "adamax": 0.002,
            "nadam": 0.002}
    assert rates == pytest.approx(want)


def test_state_goes_on_where_it_was():
    def run(optimizer, params, steps):
        loss = sum(K.sum(K.pow(p, 4.0)) for p in params)
        step = K.function([], [loss], updates=optimizer.get_updates(loss, params))
        for _ in range(steps):
            step([])

    whole = [K.variable(value) for value in START]
    run(optimizers.Adam(0.05), whole, 6)
    params, first = [K.variable(value) for value in START], optimizers.Adam(0.05)
    run(first, params, 3)
    state, second = first.get_weights(), optimizers.Adam(0.05)
    loss = sum(K.sum(K.pow(p, 4.0)) for p in params)
    step = K.function([], [loss], updates=second.get_updates(loss, params))
    second.set_weights(state)
    for _ in range(3):
        step([])
    assert int(K.get_value(second.iterations)) == 6
    for a, b in zip(whole, params):
        np.testing.assert_array_equal(K.get_value(a), K.get_value(b))
    with pytest.raises(ValueError, match="the state has 7 arrays, got 2"):
        second.set_weights(state[:2])


def test_building_twice_keeps_one_state():
    params, optimizer = [K.variable(value) for value in START], optimizers.Adam()
    loss = sum(K.sum(K.square(p)) for p in params)
    optimizer.get_updates(loss, params)
    weights = list(optimizer.weights)
    optimizer.get_updates(loss * 2.0, params)
    assert all(a is b for a, b in zip(weights, optimizer.weights))


def test_a_parameter_that_does_not_matter():
    used, unused = K.variable([1.0]), K.variable([1.0], name="unused")
    with pytest.raises(ValueError, match="does not depend on.*unused"):
        optimizers.SGD().get_updates(K.sum(K.square(used)), [used, unused])


def test_unknown():
    with pytest.raises(ValueError, match="Unknown optimizer: 'addam'.*adam"):
        optimizers.get("addam")
    with pytest.raises(ValueError, match="Could not interpret"):
        optimizers.get(3)
    with pytest.raises(ValueError, match="clipnorm.*negative"):
        optimizers.SGD(clipnorm=-1.0)


RATES = {
    "exponential": (schedules.ExponentialDecay(0.1, 10, 0.5), lambda k: 0.1 * 0.5 ** (k / 10)),
    "staircase": (schedules.ExponentialDecay(0.1, 10, 0.5, staircase=True), lambda k: 0.1 * 0.5 ** (k // 10)),
    "inverse": (schedules.InverseTimeDecay(0.1, 5, 2.0), lambda k: 0.1 / (1 + 2 * k / 5)),
    "polynomial": (schedules.PolynomialDecay(0.1, 20, 0.01, power=2.0),
                   lambda k: 0.09 * (1 - min(k, 20) / 20) ** 2 + 0.01),
    "cycle": (schedules.PolynomialDecay(0.1, 20, 0.01, cycle=True),
              lambda k: 0.09 * (1 - k / (20 * max(1, -(-k // 20)))) + 0.01),
    "cosine": (schedules.CosineDecay(0.1, 20, alpha=0.1),
               lambda k: 0.1 * (0.9 * 0.5 * (1 + np.cos(np.pi * min(k, 20) / 20)) + 0.1)),
    "pieces": (schedules.PiecewiseConstantDecay([3, 12], [0.1, 0.05, 0.01]),
               lambda k: 0.1 if k <= 3 else 0.05 if k <= 12 else 0.01),
}


@pytest.mark.parametrize("name", RATES)
def test_schedules(name):
    schedule, formula = RATES[name]
    step = K.placeholder(())
    rate = K.function([step], [schedule(step)])
    for k in (0, 1, 3, 4, 10, 19, 20, 25, 40, 55):
        np.testing.assert_allclose(rate([float(k)])[0], formula(k), rtol=1e-5, atol=1e-7, err_msg=str(k))
    again = schedules.deserialize(schedules.serialize(schedule))
    assert type(again) is type(schedule) and again.get_config() == schedule.get_config()


def test_the_rate_of_a_schedule_can_be_read():
    schedule = schedules.ExponentialDecay(0.1, 1, 0.5)
    optimizer = optimizers.Adam(schedule)
    assert float(K.get_value(optimizer.lr)) == pytest.approx(0.1)
    trajectory(optimizer)
    assert float(K.get_value(optimizer.lr)) == pytest.approx(0.1 * 0.5 ** (STEPS - 1))
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.schedule.get_config() == schedule.get_config()
