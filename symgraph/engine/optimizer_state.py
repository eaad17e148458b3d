"""What an optimizer keeps between steps, as files hold it.

Files of different versions hold the same slots - momenta, averages - with more or fewer numbers before them, and
Keras 1 stored them in the order of the weights' names. Here they are brought into the order of this package.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.engine.hdf5_reader import StoredArray, StoredGroup
from symgraph.engine.weight_layouts import Assignment, Origin, convert, shape_of

__all__ = ["restore_optimizer"]

#: For each optimizer: its slots, and the forms in which files hold it: (numbers before the slots, slots).
_FORMS: dict[str, tuple[tuple[str, ...], tuple[tuple[int, int], ...]]] = {
    "SGD": (("moment",), ((1, 1), (0, 1), (1, 0))),
    "RMSprop": (("accumulator",), ((1, 1), (0, 1))),
    "Adagrad": (("accumulator",), ((1, 1), (0, 1))),
    "Adadelta": (("accumulator", "delta_accumulator"), ((1, 2), (0, 2))),
    "Adam": (("m", "v", "vhat"), ((1, 3), (1, 2))),
    "Adamax": (("m", "u"), ((1, 2),)),
    "Nadam": (("m", "v"), ((2, 2), (1, 2))),
}

#: For each optimizer: what the optimizers of tf.keras since 2.11, and of Keras 3, call its slots.
_ADAM = {"m": "m", "momentum": "m", "v": "v", "velocity": "v", "vhat": "vhat", "velocity_hat": "vhat"}
_NAMED_SLOTS: dict[str, dict[str, str]] = {
    "SGD": {"m": "moment", "momentum": "moment"},
    "RMSprop": {"velocity": "accumulator"},
    "Adagrad": {"accumulator": "accumulator"},
    "Adadelta": {"accumulated_grad": "accumulator", "accumulated_delta_var": "delta_accumulator"},
    "Adam": _ADAM, "AdamW": _ADAM, "Nadam": _ADAM,
    "Adamax": {"m": "m", "momentum": "m", "u": "u", "norm": "u"},
    "Lion": {"m": "m", "momentum": "m"},
}


def restore_optimizer(model: Any, group: StoredGroup, assignments: list[Assignment], origin: Origin) -> None:
    """Give the optimizer of a compiled model the state that a file holds.

    # Arguments
        model: a compiled model whose weights were just loaded.
        group: the group `optimizer_weights`.
        assignments: which stored arrays the weights came from.
        origin: who wrote the file.

    A state that does not fit is reported with a warning; the optimizer then starts afresh.
    """
    names = group.names("weight_names")
    if not names:
        return
    stored = [group.array(name) for name in names]
    model._make_train_function()
    try:
        by_name = names[0].removesuffix(":0").rpartition("/")[2] == "iteration"
        pairs = (_named_pairs(model, names, stored, assignments, origin) if by_name
                 else _pairs(model, stored, assignments, origin))
    except (ValueError, IndexError) as error:
        warnings.warn(f"The state of the optimizer in the file does not fit the model and is left out: the optimizer "
                      f"starts afresh. ({error})", stacklevel=4)
        return
    K.batch_set_value(pairs)


def _pairs(model: Any, stored: list[StoredArray], assignments: list[Assignment], origin: Origin) -> list[tuple]:
    """Pairs of the optimizer's variables and their values."""
    optimizer = model.optimizer
    name = type(optimizer).__name__
    if name not in _FORMS:
        return _plain_pairs(optimizer, stored)
    slot_names, forms = _FORMS[name]
    entries = _entries(model, assignments, origin)
    form = next(((before, slots) for before, slots in forms if before + slots * len(entries) == len(stored)), None)
    if form is None:
        raise ValueError(f"{name} for {len(entries)} trained arrays keeps {[b + s * len(entries) for b, s in forms]} "
                         f"arrays, the file holds {len(stored)}.")
    before, slots = form
    pairs: list[tuple] = []
    if before:
        pairs.append((optimizer.iterations, np.int64(round(float(stored[0].read(limit=1).reshape(()))))))
    if before > 1:
        pairs.append((optimizer.m_schedule, np.float32(stored[1].read(limit=1).reshape(()))))
    for index, slot in enumerate(slot_names[:slots]):
        if slot == "vhat" and not optimizer.amsgrad:
            continue  # placeholders
        start = before + index * len(entries)
        # A model without a weight to train has no slots.
        pairs += _slot_pairs(optimizer._slots.get(slot, []), stored[start:start + len(entries)], entries, assignments,
                             model, origin)
    return pairs


def _named_pairs(model: Any, names: list[str], stored: list[StoredArray], assignments: list[Assignment], origin: Origin
                 ) -> list[tuple]:
    """Pairs of the optimizer's variables and their values, where names say which slot an array belongs to.

    A name is `Adam/m/dense/kernel:0` (tf.keras) or `adam/dense_kernel_momentum` (Keras 3).
    """
    optimizer = model.optimizer
    kind = type(optimizer).__name__
    if kind not in _NAMED_SLOTS:
        raise ValueError(f"how tf.keras names the state of {kind} is not known")
    known, slots = _NAMED_SLOTS[kind], {}  # type: ignore[var-annotated]
    for name, array in zip(names[1:], stored[1:]):
        if array.shape == ():
            continue  # the learning rate, which the configuration says too
        pieces = name.removesuffix(":0").split("/")
        found = [slot for slot in known
                 if (pieces[1] == slot if len(pieces) > 2 else pieces[-1].endswith(f"_{slot}"))]
        if not found:
            raise ValueError(f"{kind} keeps no {name!r} here")
        slots.setdefault(known[max(found, key=len)], []).append(array)
    steps = round(float(stored[0].read(limit=1).reshape(())))
    pairs: list[tuple] = [(optimizer.iterations, np.int64(steps))]
    if kind == "Nadam":
        factors = 1.0 - 0.5 * 0.96 ** (np.arange(1, steps + 1) * optimizer.schedule_decay)
        pairs.append((optimizer.m_schedule, np.prod(float(K.get_value(optimizer.beta_1)) * factors)))
    entries = _entries(model, assignments, origin)
    for slot, arrays in slots.items():
        if slot not in optimizer._slots:
            continue  # without momentum, SGD has none
        if len(arrays) != len(entries):
            raise ValueError(f"{kind} for {len(entries)} trained arrays keeps as many {slot}, the file holds "
                             f"{len(arrays)}.")
        pairs += _slot_pairs(optimizer._slots[slot], arrays, entries, assignments, model, origin)
    return pairs


def _plain_pairs(optimizer: Any, stored: list[StoredArray]) -> list[tuple]:
    """The state of an optimizer of the user's own: array by array."""
    variables = list(optimizer.weights)
    if len(variables) != len(stored):
        raise ValueError(f"{type(optimizer).__name__} keeps {len(variables)} arrays, the file holds {len(stored)}.")
    return [(variable, array.read(shape=shape_of(variable))) for variable, array in zip(variables, stored)]


def _entries(model: Any, assignments: list[Assignment], origin: Origin) -> list[tuple[int, int]]:
    """The trained arrays as `(assignment, position in it)`, in the order in which slots are stored."""
    trained = {id(variable) for variable in model._collected_trainable_weights}
    found = []
    for number, assignment in enumerate(assignments):
        if any(id(variable) in trained for variable in assignment.part.variables):
            found += [(number, position, name) for position, name in enumerate(assignment.names)]
    if origin.generation == 1:
        found.sort(key=lambda entry: entry[2])
    else:
        order = {id(variable): index for index, variable in enumerate(model._collected_trainable_weights)}
        found.sort(key=lambda entry: _place(assignments[entry[0]], entry[1], order))
    return [(number, position) for number, position, _ in found]


def _place(assignment: Assignment, position: int, order: dict[int, int]) -> tuple[int, int]:
    variables = assignment.part.variables
    if len(assignment.names) == len(variables):
        return order.get(id(variables[position]), 0), position
    return min(order.get(id(variable), 0) for variable in variables), position


def _slot_pairs(slots: list, stored: list[StoredArray], entries: list[tuple[int, int]], assignments: list[Assignment],
                model: Any, origin: Origin) -> list[tuple]:
    """Values of one slot variable for each trained weight."""
    slot_of = {id(weight): slot for weight, slot in zip(model._collected_trainable_weights, slots)}
    by_assignment: dict[int, list] = {}
    for (number, position), array in zip(entries, stored):
        by_assignment.setdefault(number, []).append((position, array))
    pairs = []
    for number, found in by_assignment.items():
        assignment = assignments[number]
        room = sum(math.prod(shape_of(variable)) for variable in assignment.part.variables)
        values = [array.read(limit=2 * room + 16) for _, array in sorted(found, key=lambda item: item[0])]
        for variable, value in zip(assignment.part.variables, convert(assignment.part, values, origin)):
            slot = slot_of.get(id(variable))
            if slot is None:
                continue
            if shape_of(slot) != value.shape:
                raise ValueError(f"{slot.name} has shape {shape_of(slot)}, the file's array has {value.shape}.")
            pairs.append((slot, value))
    return pairs
