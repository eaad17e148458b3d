"""Optimizers: the updates of the parameters, as part of the graph of a training step.

Each parameter's update is one chain of elementwise operations, so that it becomes one kernel. The formulas are those of
Keras 2.3.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph import schedules
from symgraph.graph.tensor import Tensor
from symgraph.legacy.accept import accept_functions
from symgraph.ops.indexing import joined_indices, lookups, rows_used
from symgraph.utils.generic_utils import deserialize_keras_object, serialize_keras_object

__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "Nadam", "Optimizer", "RMSprop", "adadelta",
    "adagrad", "adam", "adamax", "clip_norm", "deserialize", "get", "nadam", "rmsprop", "schedules", "serialize", "sgd",
]


def clip_norm(g: Any, c: float, n: Any) -> Any:
    """The gradient `g` scaled so that a norm `n` above `c` becomes `c` (`c <= 0`: as it is)."""
    if c <= 0:
        return g
    return g * K.switch(K.greater_equal(n, c), c / n, K.ones_like(n))


class Optimizer:
    """Base of the optimizers.

    # Arguments
        clipnorm: the gradients of all parameters are scaled together so that their global norm is at most this.
        clipvalue: each number of a gradient is clipped to plus or minus this.
        lazy: of a table that is read by lookups alone (an Embedding without a regularizer), a step changes only the
            rows that its batch read: the other rows keep their values and what the optimizer keeps for them, moving
            averages too. The default, False, is the exact method, which moves averages - and often values - at every
            row. Lazy steps take time for the rows of the batch instead of for all; they are another method (the
            LazyAdam of TensorFlow, the SparseAdam of PyTorch), usually as good for large vocabularies. Constraints,
            too, act on these rows only. Tables that are read in other ways are updated as without it. Not an argument
            of Keras.
    """

    #: Numbers that live in variables: reading gives the variable, assigning a number sets its value.
    _hyperparameters: tuple[str, ...] = ()
    # The variables that `_variable` makes; each optimizer has some of them.
    iterations: Any
    learning_rate: Any
    decay: Any
    momentum: Any
    rho: Any
    beta_1: Any
    beta_2: Any
    m_schedule: Any
    #: The `LearningRateSchedule` that was given as the learning rate.
    schedule: Any = None
    lazy: bool = False

    def __init__(self, **kwargs: Any):
        self.lazy = _flag(kwargs.pop("lazy", False), f"{type(self).__name__}: `lazy`")
        unknown = [key for key in kwargs if key not in {"clipnorm", "clipvalue"}]
        if unknown:
            known = [*self._hyperparameters, "lr", "decay", "epsilon", "clipnorm", "clipvalue", "lazy"]
            raise TypeError(
                f"Unexpected keyword argument passed to optimizer {type(self).__name__}: {', '.join(unknown)}. "
                f"Known: {', '.join(known)}."
            )
        for key, value in kwargs.items():
            if value is not None and value < 0:
                raise ValueError(f"{type(self).__name__}: `{key}` must not be negative, got {value!r}.")
            setattr(self, key, value)
        self.updates: list = []
        self.weights: list = []
        self._slots: dict[str, list] = {}

    def _variable(self, name: str, value: float, dtype: str | None = None) -> None:
        variable = K.variable(value, dtype=dtype or K.floatx(), name=f"{type(self).__name__}/{name}")
        object.__setattr__(self, name, variable)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "lr":
            name = "learning_rate"
        current = self.__dict__.get(name)
        if name == "learning_rate" and current is not None and self.schedule is not None:
            raise TypeError(f"The learning rate of this {type(self).__name__} follows {type(self.schedule).__name__}; "
                            "compile with a number to set it yourself.")
        if name in self._hyperparameters and current is not None and not K.is_tensor(value):
            K.set_value(current, value)
        else:
            object.__setattr__(self, name, value)

    @property
    def lr(self) -> Any:
        """The learning rate's variable (the name Keras used before 2.3)."""
        return self.learning_rate

    # ------------------------------------------------------------------------------------------ the step
    def get_gradients(self, loss: Any, params: list) -> list:
        """The gradients of the loss, clipped as asked.

        # Raises
            ValueError: a parameter that the loss does not depend on by a differentiable path.
        """
        grads = K.gradients(loss, params)
        missing = [param.name for param, grad in zip(params, grads) if grad is None]
        if missing:
            raise ValueError(
                f"The loss does not depend on the parameters {missing}, or only through operations without a gradient "
                "(K.argmax, K.round, ...). Set `trainable = False` on their layers, or connect them to the loss."
            )
        clipnorm = getattr(self, "clipnorm", None)
        if clipnorm:
            norm = K.sqrt(sum(K.sum(K.square(g)) for g in grads[1:]) + K.sum(K.square(grads[0])) if len(grads) > 1
                          else K.sum(K.square(grads[0])))
            grads = [clip_norm(g, clipnorm, norm) for g in grads]
        clipvalue = getattr(self, "clipvalue", None)
        if clipvalue:
            grads = [K.clip(g, -clipvalue, clipvalue) for g in grads]
        return grads

    def get_updates(self, loss: Any, params: list) -> list:
        """The updates of one training step.

        # Arguments
            loss: scalar tensor.
            params: the variables to train.

        # Returns
            A list of updates for `K.function`.
        """
        params = list(params)
        self.updates = []
        self._step(params, self.get_gradients(loss, params))
        if self.lazy:
            self._leave_unused_rows(loss, params)
        return self.updates

    def _leave_unused_rows(self, loss: Any, params: list) -> None:
        """Restrict the updates of tables and of what is kept for them to the rows that lookups read."""
        used: dict[int, Any] = {}  # a variable -> which of its rows were read
        for k, param in enumerate(params):
            indices = lookups([loss.node], param.node)
            if indices is None:
                continue
            rows = Tensor(rows_used(joined_indices(indices), rows=param.node.shape[0]))
            kept = [slots[k] for slots in self._slots.values() if K.int_shape(slots[k]) == K.int_shape(param)]
            used.update((id(variable), rows) for variable in (param, *kept))
        self.updates = [
            K.update(target, value if id(target) not in used else K.switch(used[id(target)], value, target))
            for target, value in self.updates
        ]

    def _step(self, params: list, grads: list) -> None:
        raise TypeError(f"{type(self).__name__} must define `get_updates(loss, params)`.")

    def _move(self, param: Any, value: Any) -> None:
        """Update a parameter, through its constraint."""
        constraint = getattr(param, "constraint", None)
        self.updates.append(K.update(param, value if constraint is None else constraint(value)))

    def _slot(self, name: str, params: list, shape: tuple | None = None) -> list:
        """One variable of zeros for each parameter; the same ones when the step is built again."""
        kept = self._slots.get(name)
        if kept is not None and len(kept) == len(params) and all(
                shape is not None or K.int_shape(slot) == K.int_shape(param) for slot, param in zip(kept, params)):
            return kept
        made = []
        for param in params:
            size = K.int_shape(param) if shape is None else shape
            label = f"{type(self).__name__}/{param.name}/{name}"
            made.append(K.variable(np.zeros(size), dtype=K.dtype(param), name=label))
        self._slots[name] = made
        return made

    def _decayed(self) -> Any:
        """The learning rate of this step, after decay or by the schedule, as a scalar tensor."""
        if self.schedule is not None:
            rate = self.schedule(K.cast(self.iterations, K.dtype(self.learning_rate)))
            self.updates.append(K.update(self.learning_rate, rate))  # so that it can be read
            return rate
        if not getattr(self, "initial_decay", 0):
            return self.learning_rate
        return self.learning_rate * (1.0 / (1.0 + self.decay * K.cast(self.iterations, K.dtype(self.decay))))

    def _count(self) -> None:
        self.updates.append(K.update_add(self.iterations, 1))

    # ------------------------------------------------------------------------------------------ state
    def get_weights(self) -> list[np.ndarray]:
        """The state: the number of iterations and what is kept for each parameter."""
        return K.batch_get_value(self.weights)

    def set_weights(self, weights: list) -> None:
        """Set the state, in the order of `get_weights`; it exists once the model has a train function.

        # Raises
            ValueError: the wrong number of arrays, or a wrong shape.
        """
        if len(weights) == len(self.weights) - 1:  # before Keras 2 some optimizers did not keep `iterations`
            weights = [K.get_value(self.weights[0]), *weights]
        if len(weights) != len(self.weights):
            raise ValueError(f"{type(self).__name__}: the state has {len(self.weights)} arrays, got {len(weights)}.")
        for variable, value in zip(self.weights, weights):
            if K.int_shape(variable) != np.shape(value):
                raise ValueError(f"{type(self).__name__}: the state {variable.name} has shape "
                                 f"{K.int_shape(variable)}, the array given for it {np.shape(value)}.")
        K.batch_set_value(list(zip(self.weights, weights)))

    def get_config(self) -> dict:
        config: dict[str, Any] = {}
        for name in ("clipnorm", "clipvalue"):
            if hasattr(self, name):
                config[name] = getattr(self, name)
        for name in self._hyperparameters:
            config[name] = float(K.get_value(getattr(self, name)))
        if self.schedule is not None:
            config["learning_rate"] = schedules.serialize(self.schedule)
        if self.lazy:  # left out where it is not set: Keras does not know it
            config["lazy"] = True
        return config

    @classmethod
    def from_config(cls, config: dict) -> Optimizer:
        return cls(**{key: value for key, value in config.items() if key != "name"})

    def _set_up(self, kwargs: dict, learning_rate: float, **numbers: float) -> dict:
        """Make the variables; what is left of the keyword arguments goes to `Optimizer.__init__`."""
        rate = kwargs.pop("lr", learning_rate)
        self.initial_decay = kwargs.pop("decay", 0.0)
        self._variable("iterations", 0, "int64")
        if isinstance(rate, dict):
            rate = schedules.deserialize(rate)
        if isinstance(rate, schedules.LearningRateSchedule):
            self.schedule = rate
            rate = K.eval(rate(K.constant(0.0)))
        self._variable("learning_rate", rate)
        for name, value in numbers.items():
            self._variable(name, value)
        if "decay" in self._hyperparameters:
            self._variable("decay", self.initial_decay)
        return kwargs


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov momentum (Sutskever et al. 2013) and decay.

    # Arguments
        learning_rate (or lr): step size.
        momentum: how much of the last step is kept.
        nesterov: whether the momentum is applied before the gradient.
        decay: the rate is divided by `1 + decay * iterations`.
    """

    _hyperparameters = ("learning_rate", "momentum", "decay")

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False, **kwargs: Any):
        rest = self._set_up(kwargs, learning_rate, momentum=momentum)
        self.nesterov = nesterov
        super().__init__(**rest)

    def _step(self, params, grads):
        self._count()
        lr = self._decayed()
        moments = self._slot("moment", params)
        self.weights = [self.iterations, *moments]
        for p, g, m in zip(params, grads, moments):
            v = self.momentum * m - lr * g
            self.updates.append(K.update(m, v))
            self._move(p, p + self.momentum * v - lr * g if self.nesterov else p + v)

    def get_config(self):
        return {**super().get_config(), "nesterov": self.nesterov}


class RMSprop(Optimizer):
    """Divides the gradient by a running average of its magnitude (Tieleman & Hinton 2012).

    # Arguments
        learning_rate (or lr): step size.
        rho: how slowly the average moves.
        epsilon: added to the divisor; default: `K.epsilon()`.
        decay: the rate is divided by `1 + decay * iterations`.
    """

    _hyperparameters = ("learning_rate", "rho", "decay")

    def __init__(self, learning_rate: float = 0.001, rho: float = 0.9, **kwargs: Any):
        self.epsilon = _epsilon(kwargs)
        for name in ("momentum", "centered"):  # tf.keras writes them; only their neutral values are the same method
            if not kwargs.get(name, 0):
                kwargs.pop(name, None)
        super().__init__(**self._set_up(kwargs, learning_rate, rho=rho))

    def _step(self, params, grads):
        averages = self._slot("accumulator", params)
        self.weights = [self.iterations, *averages]
        self._count()
        lr = self._decayed()
        for p, g, a in zip(params, grads, averages):
            new = self.rho * a + (1.0 - self.rho) * K.square(g)
            self.updates.append(K.update(a, new))
            self._move(p, p - lr * g / (K.sqrt(new) + self.epsilon))

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}


class Adagrad(Optimizer):
    """Divides the gradient by the root of the sum of all its squares (Duchi et al. 2011)."""

    _hyperparameters = ("learning_rate", "decay")

    def __init__(self, learning_rate: float = 0.01, **kwargs: Any):
        self.epsilon = _epsilon(kwargs)
        kwargs.pop("initial_accumulator_value", None)  # tf.keras writes it; the state itself is in the file
        super().__init__(**self._set_up(kwargs, learning_rate))

    def _step(self, params, grads):
        sums = self._slot("accumulator", params)
        self.weights = [self.iterations, *sums]
        self._count()
        lr = self._decayed()
        for p, g, a in zip(params, grads, sums):
            new = a + K.square(g)
            self.updates.append(K.update(a, new))
            self._move(p, p - lr * g / (K.sqrt(new) + self.epsilon))

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}


class Adadelta(Optimizer):
    """Adagrad with running averages, in units of the parameters (Zeiler 2012)."""

    _hyperparameters = ("learning_rate", "decay")

    def __init__(self, learning_rate: float = 1.0, rho: float = 0.95, **kwargs: Any):
        self.epsilon = _epsilon(kwargs)
        self.rho = rho
        super().__init__(**self._set_up(kwargs, learning_rate))

    def _step(self, params, grads):
        averages, deltas = self._slot("accumulator", params), self._slot("delta_accumulator", params)
        self.weights = [self.iterations, *averages, *deltas]
        self._count()
        lr = self._decayed()
        for p, g, a, d in zip(params, grads, averages, deltas):
            new = self.rho * a + (1.0 - self.rho) * K.square(g)
            self.updates.append(K.update(a, new))
            step = g * K.sqrt(d + self.epsilon) / K.sqrt(new + self.epsilon)
            self._move(p, p - lr * step)
            self.updates.append(K.update(d, self.rho * d + (1.0 - self.rho) * K.square(step)))

    def get_config(self):
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}


class Adam(Optimizer):
    """Running averages of the gradient and its square, corrected for their start (Kingma & Ba 2014).

    # Arguments
        learning_rate (or lr): step size.
        beta_1, beta_2: how slowly the two averages move.
        amsgrad: divide by the largest average of squares so far (Reddi et al. 2018).
        epsilon: added to the divisor; default: `K.epsilon()`.
        decay: the rate is divided by `1 + decay * iterations`.
    """

    _hyperparameters = ("learning_rate", "beta_1", "beta_2", "decay")

    def __init__(self, learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, amsgrad: bool = False,
                 **kwargs: Any):
        self.epsilon = _epsilon(kwargs)
        self.amsgrad = amsgrad
        super().__init__(**self._set_up(kwargs, learning_rate, beta_1=beta_1, beta_2=beta_2))

    def _step(self, params, grads):
        self._count()
        t = K.cast(self.iterations, K.floatx()) + 1.0
        plain = self._decayed()
        rate = plain * (K.sqrt(1.0 - K.pow(self.beta_2, t)) / (1.0 - K.pow(self.beta_1, t)))
        ms, vs = self._slot("m", params), self._slot("v", params)
        vhats = self._slot("vhat", params, None if self.amsgrad else (1,))
        self.weights = [self.iterations, *ms, *vs, *vhats]
        for p, g, m, v, vhat in zip(params, grads, ms, vs, vhats):
            new_m = self.beta_1 * m + (1.0 - self.beta_1) * g
            new_v = self.beta_2 * v + (1.0 - self.beta_2) * K.square(g)
            divisor = new_v
            if self.amsgrad:
                divisor = K.maximum(vhat, new_v)
                self.updates.append(K.update(vhat, divisor))
            self.updates += [K.update(m, new_m), K.update(v, new_v)]
            self._move(p, self._shrunk(p, plain) - rate * new_m / (K.sqrt(divisor) + self.epsilon))

    def _shrunk(self, param: Any, rate: Any) -> Any:
        """The parameter after weight decay: as it is."""
        return param

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon, "amsgrad": self.amsgrad}


class AdamW(Adam):
    """Adam with weight decay apart from the gradient (Loshchilov & Hutter 2017).

    # Arguments
        weight_decay: each step takes `learning_rate * weight_decay` of the parameter off it.
        learning_rate, beta_1, beta_2, amsgrad, epsilon, decay: as in Adam.
    """

    def __init__(self, learning_rate: float = 0.001, weight_decay: float = 0.004, beta_1: float = 0.9,
                 beta_2: float = 0.999, amsgrad: bool = False, **kwargs: Any):
        self.weight_decay = weight_decay
        super().__init__(learning_rate, beta_1, beta_2, amsgrad, **kwargs)

    def _shrunk(self, param: Any, rate: Any) -> Any:
        return param - rate * self.weight_decay * param

    def get_config(self):
        return {**super().get_config(), "weight_decay": self.weight_decay}


class Lion(Optimizer):
    """Steps of one size in the direction of a momentum's sign (Chen et al. 2023).

    # Arguments
        learning_rate (or lr): step size; a third to a tenth of Adam's.
        beta_1, beta_2: how much of the momentum is in the step, and how slowly it moves.
        weight_decay: each step takes `learning_rate * weight_decay` of the parameter off it.
        decay: the rate is divided by `1 + decay * iterations`.
    """

    _hyperparameters = ("learning_rate", "beta_1", "beta_2", "decay")

    def __init__(self, learning_rate: float = 0.0001, beta_1: float = 0.9, beta_2: float = 0.99,
                 weight_decay: float = 0.0, **kwargs: Any):
        self.weight_decay = weight_decay
        super().__init__(**self._set_up(kwargs, learning_rate, beta_1=beta_1, beta_2=beta_2))

    def _step(self, params, grads):
        self._count()
        rate = self._decayed()
        momenta = self._slot("m", params)
        self.weights = [self.iterations, *momenta]
        for p, g, m in zip(params, grads, momenta):
            direction = K.sign(self.beta_1 * m + (1.0 - self.beta_1) * g)
            self.updates.append(K.update(m, self.beta_2 * m + (1.0 - self.beta_2) * g))
            self._move(p, p - rate * (direction + self.weight_decay * p if self.weight_decay else direction))

    def get_config(self):
        return {**super().get_config(), "weight_decay": self.weight_decay}


class Adamax(Optimizer):
    """Adam with the infinity norm in place of the average of squares (Kingma & Ba 2014, section 7)."""

    _hyperparameters = ("learning_rate", "beta_1", "beta_2", "decay")

    def __init__(self, learning_rate: float = 0.002, beta_1: float = 0.9, beta_2: float = 0.999, **kwargs: Any):
        self.epsilon = _epsilon(kwargs)
        super().__init__(**self._set_up(kwargs, learning_rate, beta_1=beta_1, beta_2=beta_2))

    def _step(self, params, grads):
        self._count()
        t = K.cast(self.iterations, K.floatx()) + 1.0
        rate = self._decayed() / (1.0 - K.pow(self.beta_1, t))
        ms, us = self._slot("m", params), self._slot("u", params)
        self.weights = [self.iterations, *ms, *us]
        for p, g, m, u in zip(params, grads, ms, us):
            new_m = self.beta_1 * m + (1.0 - self.beta_1) * g
            new_u = K.maximum(self.beta_2 * u, K.abs(g))
            self.updates += [K.update(m, new_m), K.update(u, new_u)]
            self._move(p, p - rate * new_m / (new_u + self.epsilon))

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}


class Nadam(Optimizer):
    """Adam with Nesterov momentum and a momentum schedule (Dozat 2015)."""

    _hyperparameters = ("learning_rate", "beta_1", "beta_2")

    def __init__(self, learning_rate: float = 0.002, beta_1: float = 0.9, beta_2: float = 0.999, **kwargs: Any):
        self.epsilon = _epsilon(kwargs)
        # tf.keras writes the schedule's decay under the name "decay".
        self.schedule_decay = kwargs.pop("schedule_decay", kwargs.pop("decay", 0.004))
        super().__init__(**self._set_up(kwargs, learning_rate, beta_1=beta_1, beta_2=beta_2))
        self._variable("m_schedule", 1.0)

    def _step(self, params, grads):
        self._count()
        t = K.cast(self.iterations, K.floatx()) + 1.0
        now = self.beta_1 * (1.0 - 0.5 * K.pow(0.96, t * self.schedule_decay))
        after = self.beta_1 * (1.0 - 0.5 * K.pow(0.96, (t + 1.0) * self.schedule_decay))
        schedule = self.m_schedule * now
        schedule_after = schedule * after
        self.updates.append(K.update(self.m_schedule, schedule))
        ms, vs = self._slot("m", params), self._slot("v", params)
        self.weights = [self.iterations, self.m_schedule, *ms, *vs]
        correction = 1.0 - K.pow(self.beta_2, t)
        rate = self._decayed()
        for p, g, m, v in zip(params, grads, ms, vs):
            new_m = self.beta_1 * m + (1.0 - self.beta_1) * g
            new_v = self.beta_2 * v + (1.0 - self.beta_2) * K.square(g)
            mean = (1.0 - now) * (g / (1.0 - schedule)) + after * (new_m / (1.0 - schedule_after))
            self.updates += [K.update(m, new_m), K.update(v, new_v)]
            self._move(p, p - rate * mean / (K.sqrt(new_v / correction) + self.epsilon))

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon, "schedule_decay": self.schedule_decay}


def _flag(value: Any, what: str) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{what} must be True or False, got {value!r}.")
    return bool(value)


def _epsilon(kwargs: dict) -> float:
    epsilon = kwargs.pop("epsilon", None)
    return K.epsilon() if epsilon is None else float(epsilon)


sgd, rmsprop, adagrad, adadelta = SGD, RMSprop, Adagrad, Adadelta
adam, adamax, nadam = Adam, Adamax, Nadam

_OBJECTS = {cls.__name__: cls for cls in (SGD, RMSprop, Adagrad, Adadelta, Adam, AdamW, Adamax, Lion, Nadam)}
_OBJECTS.update({name.lower(): cls for name, cls in list(_OBJECTS.items())})


def serialize(optimizer: Any) -> Any:
    """The configuration of an optimizer."""
    return serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The optimizer of a configuration; names of the known optimizers are read in any case."""
    name = config.get("class_name") if isinstance(config, dict) else config
    if isinstance(name, str) and name not in (custom_objects or {}) and name.lower() in _OBJECTS:
        config = {"class_name": name.lower(), "config": config["config"] if isinstance(config, dict) else {}}
    return deserialize_keras_object(config, _OBJECTS, custom_objects, "optimizer")


def get(identifier: Any) -> Any:
    """An optimizer from a name, a configuration, a class or an instance."""
    if isinstance(identifier, (str, dict)):
        return deserialize({"class_name": identifier, "config": {}} if isinstance(identifier, str) else identifier)
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()
    if isinstance(identifier, Optimizer) or hasattr(identifier, "get_updates"):
        return identifier
    raise ValueError(f"Could not interpret optimizer identifier: {identifier!r}. Known: "
                     f"{', '.join(sorted(name for name in _OBJECTS if name.islower()))}.")


accept_functions(globals())  # the arguments that Keras 1 named otherwise
