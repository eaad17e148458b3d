"""Small helpers shared by the engine: lists, custom objects, (de)serialisation by name, function signatures.

A configuration names classes and functions; it never carries them. Names are resolved in a closed table of the
module that asks, and in what the caller registered (`custom_object_scope`, `get_custom_objects`, `custom_objects=`).
"""

from __future__ import annotations

import base64
import inspect
import marshal
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

__all__ = [
    "CustomObjectScope", "check_for_unexpected_keys", "custom_object_scope",
    "deserialize_keras_object", "func_dump", "func_load", "get_custom_objects", "getargspec", "has_arg",
    "is_all_none", "object_list_uid", "parameter_names", "serialize_keras_object", "slice_arrays", "stored_code",
    "to_list", "to_snake_case", "transpose_shape", "unpack_singleton",
]

_CUSTOM_OBJECTS: dict[str, Any] = {}


def __getattr__(name: str) -> Any:
    # The progress bar lives in its own module; Keras users look for it here.
    if name == "Progbar":
        from symgraph.utils.progress import Progbar

        return Progbar
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# ---------------------------------------------------------------------------------------------- custom objects
def get_custom_objects() -> dict[str, Any]:
    """The process-wide table of custom classes and functions, by name; change it in place to register one."""
    return _CUSTOM_OBJECTS


class CustomObjectScope:
    """Registers custom classes and functions for the length of a `with` block.

    # Arguments
        *args: dictionaries from a name to a class or function.
    """

    def __init__(self, *args: Mapping[str, Any]) -> None:
        self.custom_objects = args
        self.backup: dict[str, Any] = {}

    def __enter__(self) -> CustomObjectScope:
        self.backup = dict(_CUSTOM_OBJECTS)
        for objects in self.custom_objects:
            _CUSTOM_OBJECTS.update(objects or {})
        return self

    def __exit__(self, *args: Any) -> None:
        _CUSTOM_OBJECTS.clear()
        _CUSTOM_OBJECTS.update(self.backup)


def custom_object_scope(*args: Mapping[str, Any]) -> CustomObjectScope:
    """`with custom_object_scope({'MyLayer': MyLayer}): ...` - see `CustomObjectScope`."""
    return CustomObjectScope(*args)


def serialize_keras_object(instance: Any) -> Any:
    """What a configuration stores for an object: `{'class_name', 'config'}`, or the name of a function."""
    if instance is None:
        return None
    if hasattr(instance, "get_config"):
        return {"class_name": type(instance).__name__, "config": instance.get_config()}
    if hasattr(instance, "__name__"):
        return instance.__name__
    raise ValueError(
        f"Cannot serialize {instance!r}: it has neither `get_config()` nor a `__name__`. "
        "Give the object a `get_config` method, or pass a named function."
    )


def deserialize_keras_object(
    identifier: Any,
    module_objects: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """The object that a configuration names.

    # Arguments
        identifier: `{'class_name': ..., 'config': {...}}`, or the name of a function or class.
        module_objects: the closed table of known names.
        custom_objects: further names, of this call only.
        printable_module_name: what the object is, for messages.

    # Returns
        An instance for a class, the function itself for the name of a function.

    # Raises
        ValueError: an unknown name, or a configuration of another form.
    """
    if isinstance(identifier, Mapping):
        if "class_name" not in identifier or "config" not in identifier:
            raise ValueError(
                f"Improper {printable_module_name} configuration: expected a dictionary with the keys "
                f"'class_name' and 'config', got {dict(identifier)!r}."
            )
        config = identifier["config"]
        if isinstance(config, Mapping):  # a Sequential of Keras 1 is a bare list
            config = dict(config)
        known = _lookup(identifier["class_name"], module_objects, custom_objects, printable_module_name)
        if hasattr(known, "from_config"):
            if has_arg(known.from_config, "custom_objects"):
                everything = {**_CUSTOM_OBJECTS, **(custom_objects or {})}
                return known.from_config(config, custom_objects=everything)
            with CustomObjectScope(custom_objects or {}):
                return known.from_config(config)
        with CustomObjectScope(custom_objects or {}):
            return known(**config)
    if isinstance(identifier, str):
        known = _lookup(identifier, module_objects, custom_objects, printable_module_name)
        return known() if isinstance(known, type) else known
    raise ValueError(
        f"Could not interpret serialized {printable_module_name}: expected a name or a configuration, "
        f"got {identifier!r} of type {type(identifier).__name__}."
    )


def _lookup(name: str, module_objects: Mapping | None, custom_objects: Mapping | None, what: str) -> Any:
    for table in (custom_objects, _CUSTOM_OBJECTS, module_objects):
        if table and name in table:
            return table[name]
    import difflib

    near = difflib.get_close_matches(str(name), [str(key) for key in module_objects or {}], n=3)
    hint = f" Did you mean {', '.join(map(repr, near))}?" if near else ""
    raise ValueError(
        f"Unknown {what}: {name!r}.{hint} A class or function of your own is made known with "
        f"`custom_objects={{{name!r}: ...}}` or `custom_object_scope`."
    )


# ---------------------------------------------------------------------------------------------- functions
#: Code that this process dumped itself: loading it again runs nothing that was not already here.
_DUMPED: dict[str, Callable] = {}
_CODE_POLICY: ContextVar[str] = ContextVar("stored_code", default="own")


@contextmanager
def stored_code(policy: str) -> Iterator[None]:
    """Say, for the length of a `with` block, what becomes of Python code in configurations.

    # Arguments
        policy: 'refuse'; 'own': only what this process stored itself is given back (the default); 'run': any code is.
    """
    token = _CODE_POLICY.set(policy)
    try:
        yield
    finally:
        _CODE_POLICY.reset(token)


def code_policy() -> str:
    """What `stored_code` says now."""
    return _CODE_POLICY.get()


def func_dump(func: Callable) -> tuple[str, tuple | None, tuple | None]:
    """A function as `(base64 code, defaults, closure)`, the form in which a Lambda layer is stored."""
    code = base64.b64encode(marshal.dumps(func.__code__)).decode("ascii")
    closure = tuple(cell.cell_contents for cell in func.__closure__) if func.__closure__ else None
    _DUMPED[code] = func
    return code, func.__defaults__, closure


def func_load(code: Any, defaults: tuple | None = None, closure: tuple | None = None,
              globs: dict | None = None, allow_code: bool = False) -> Callable:
    """The function that `func_dump` stored.

    Code that this process dumped is given back as it was. Code from elsewhere is refused unless `allow_code=True`:
    it would run with all the rights of this process.
    """
    if isinstance(code, (tuple, list)):
        code, defaults, closure = code
        defaults = tuple(defaults) if defaults is not None else None
    if code in _DUMPED and _CODE_POLICY.get() != "refuse":
        return _DUMPED[code]
    if not (allow_code or _CODE_POLICY.get() == "run"):
        raise ValueError(
            "The configuration holds the byte code of a Python function (a Lambda layer). Running code from a file "
            "is refused. If you trust where it comes from, load it with `allow_unsafe=True`; better, write the "
            "function as a class of your own (a Layer) and pass it in `custom_objects`."
        )
    raw = marshal.loads(base64.b64decode(code.encode("ascii")))
    cells = tuple(types.CellType(value) for value in closure) if closure is not None else None
    return types.FunctionType(raw, globs if globs is not None else globals(), name=raw.co_name, argdefs=defaults,
                              closure=cells)


def getargspec(fn: Callable) -> inspect.FullArgSpec:
    """`inspect.getfullargspec`, under the name Keras gives it."""
    return inspect.getfullargspec(fn)


def parameter_names(fn: Callable) -> tuple[list[str], bool]:
    """The names that a callable can take by keyword, and whether it has `**kwargs`."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return [], True
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return named, any(p.kind == p.VAR_KEYWORD for p in parameters)


def has_arg(fn: Callable, name: str, accept_all: bool = False) -> bool:
    """Whether `fn` can be called with the keyword `name` (`accept_all`: `**kwargs` counts)."""
    names, catches_all = parameter_names(fn)
    return name in names or (accept_all and catches_all)


# ---------------------------------------------------------------------------------------------- lists, shapes
def to_list(x: Any, allow_tuple: bool = False) -> list:
    """`x` itself if it is a list, else a list of one (`allow_tuple`: a tuple becomes a list too)."""
    if isinstance(x, list):
        return x
    if allow_tuple and isinstance(x, tuple):
        return list(x)
    return [x]


def unpack_singleton(x: Any) -> Any:
    """The only item of a sequence of one; anything else as it is."""
    return x[0] if len(x) == 1 else x


def is_all_none(iterable_or_element: Any) -> bool:
    """Whether an element, or each element of a list or tuple, is None."""
    items = iterable_or_element if isinstance(iterable_or_element, (list, tuple)) else [iterable_or_element]
    return all(item is None for item in items)


def object_list_uid(object_list: Any) -> str:
    """A string that stands for the identities of the objects of a list."""
    return ", ".join(str(abs(id(item))) for item in to_list(object_list, allow_tuple=True))


def slice_arrays(arrays: Any, start: Any = None, stop: int | None = None) -> Any:
    """Rows `start:stop` of an array or of each array of a list; `start` may be a list of row numbers."""
    if arrays is None:
        return [None]
    rows = np.asarray(start) if hasattr(start, "__len__") else slice(start, stop)
    if isinstance(arrays, list):
        return [None if array is None else array[rows] for array in arrays]
    return arrays[rows] if hasattr(arrays, "__getitem__") else [None]


def transpose_shape(shape: tuple, target_format: str, spatial_axes: Iterable[int]) -> tuple:
    """A `channels_last` shape in the order of `target_format`."""
    if target_format == "channels_last":
        return tuple(shape)
    if target_format == "channels_first":
        return (*shape[: min(spatial_axes)], shape[-1], *(shape[axis] for axis in spatial_axes))
    raise ValueError(
        f"`data_format` must be 'channels_last' or 'channels_first', got {target_format!r}."
    )


def check_for_unexpected_keys(name: str, input_dict: Mapping, expected_values: Iterable) -> None:
    """Raises ValueError if `input_dict` has keys that are not among `expected_values`."""
    unknown = [key for key in input_dict if key not in set(expected_values)]
    if unknown:
        raise ValueError(f"Unknown entries in the {name} dictionary: {unknown}. Expected keys: "
                         f"{list(expected_values)}.")


def to_snake_case(name: str) -> str:
    """`MaxPooling2D` -> `max_pooling2d`: how a layer's default name is made from its class."""
    import re

    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
    return "private" + words if words.startswith("_") else words
