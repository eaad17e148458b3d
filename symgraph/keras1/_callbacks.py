"""The callbacks of Keras 1: its arguments, and the names it gives the parameters of training."""

from __future__ import annotations

from typing import Any

from symgraph import callbacks as new_callbacks
from symgraph.keras1 import _signatures

_NAMES = [name for name, entry in _signatures.TABLE["keras.callbacks"].items() if entry.kind == "class"]
__all__ = []


def _old_parameters(params: dict) -> dict:
    return {**params, "nb_epoch": params.get("epochs"), "nb_sample": params.get("samples")}


class Callback(new_callbacks.Callback):
    """Base of callbacks; `self.params` also has `nb_epoch` and `nb_sample`."""

    __module__ = "symgraph.keras1.callbacks"

    def set_params(self, params):
        super().set_params(_old_parameters(params))

    def _set_params(self, params):
        self.set_params(params)

    def _set_model(self, model):
        self.set_model(model)


def _make(name: str) -> Any:
    native = getattr(new_callbacks, name, None)
    if native is None or name == "Callback":
        return None
    entry = _signatures.entry("keras.callbacks", name)
    if not issubclass(native, new_callbacks.Callback) or entry is None or entry.arguments is None:
        return native

    def start(self: Any, words: dict) -> None:
        if name == "ReduceLROnPlateau":
            words["min_delta"] = words.pop("epsilon")
        native.__init__(self, **words)

    __init__ = _signatures.constructor(entry.arguments, start)  # noqa: N806
    return type(name, (Callback, native), {"__init__": __init__, "__doc__": native.__doc__,
                                           "__module__": "symgraph.keras1.callbacks"})


for _name in _NAMES:
    _made = Callback if _name == "Callback" else _make(_name)
    if _made is not None:
        globals()[_name] = _made
        __all__.append(_name)
