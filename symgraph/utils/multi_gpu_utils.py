"""One batch on several GPUs: each takes a part of it."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K

__all__ = ["multi_gpu_model"]


def _get_available_devices() -> list[str]:
    """The names of the devices that this process runs on: the CPU, and the GPU of an executor that has one."""
    from symgraph.runtime.executor import current

    space, _, number = current().space.partition(":")
    return ["/cpu:0", *([f"/gpu:{number or 0}"] if space == "cuda" else [])]


def _normalize_device_name(name: str) -> str:
    """A device's name as '/gpu:0', from that or from '/device:GPU:0' and the like."""
    return "/" + ":".join(name.lower().replace("/job:localhost/replica:0/task:0", "").replace("device:", "")
                          .strip("/").split(":")[-2:])


def multi_gpu_model(model: Any, gpus: Any = None, cpu_merge: bool = True, cpu_relocation: bool = False) -> Any:
    """A model that splits each batch into parts, one for each GPU, and joins the results.

    # Arguments
        model: the model; the parts share its weights. Save this one.
        gpus: number of GPUs (at least 2), or a list of their numbers; None: all that there are.
        cpu_merge: whether results are joined on the CPU. Here an executor holds all tensors in one place.
        cpu_relocation: whether the weights are made anew on the CPU; the model is then a copy of its own.

    # Returns
        A model with the same inputs and outputs.

    # Raises
        ValueError: fewer than two GPUs, or more than there are.
    """
    from symgraph.layers import Lambda, concatenate
    from symgraph.models import Model, clone_model

    devices = [_normalize_device_name(name) for name in _get_available_devices()]
    found = [name for name in devices if name.startswith("/gpu")]
    if gpus is None:
        gpus = len(found)
    numbers = list(gpus) if isinstance(gpus, (list, tuple)) else list(range(int(gpus)))
    if len(numbers) <= 1:
        raise ValueError("For multi-gpu usage to be effective, call `multi_gpu_model` with `gpus >= 2`. Received: "
                         f"`gpus={gpus}`")
    wanted = ["/cpu:0", *(f"/gpu:{number}" for number in numbers)]
    if not set(wanted) <= set(devices):
        raise ValueError(f"To call `multi_gpu_model` with `gpus={gpus}`, we expect the following devices to be "
                         f"available: {wanted}. However this machine only has: {devices}. Try reducing `gpus`. "
                         "(An executor of symgraph runs on one device.)")
    if cpu_relocation:
        model = clone_model(model)
    parts: list[list] = [[] for _ in model.outputs]
    for number in range(len(numbers)):
        slices = [Lambda(_part, arguments={"number": number, "parts": len(numbers)})(x) for x in model.inputs]
        results = model(slices if len(slices) > 1 else slices[0])
        for place, result in zip(parts, results if isinstance(results, list) else [results]):
            place.append(result)
    outputs = [concatenate(place, axis=0, name=name) for name, place in zip(model.output_names, parts)]
    return Model(model.inputs, outputs if len(outputs) > 1 else outputs[0])


def _part(x: Any, number: int, parts: int) -> Any:
    """One of so many parts of a batch; the last is larger where the batch cannot be divided."""
    rows, *rest = x.node.type.shape
    size = rows // parts
    last = number == parts - 1
    return K.slice(x, [size * number, *(0 for _ in rest)], [rows - size * number if last else size, *rest])
