"""Settings: the only module that reads environment variables and the user's ``keras.json``.

Nothing is read when this module is imported; each source is read once, when a setting that depends on it is first
asked for.  A setting's sources, strongest first: a call of its ``set_...`` function, an environment variable, the
file, the default.  The user's file is never written.

Environment variables
    KERAS_BACKEND             executor: numba (or cpu), cupy (or gpu), numpy, or one that another package registers
    KERAS_HOME                folder of ``keras.json`` and of downloaded files (default ``~/.keras``)
    SYMGRAPH_NUM_THREADS      threads of the CPU executor (then OMP_NUM_THREADS, then the CPUs this process may use)
    SYMGRAPH_FIRST_STEPS      "interpret" runs the first steps with NumPy while kernels are compiled (default "compile")
    SYMGRAPH_MEMORY           "small" makes values again rather than keep them, where that is cheap (default "fast")
    SYMGRAPH_CACHE            where compiled kernels are kept (default: the user's cache folder)
"""

from __future__ import annotations

import difflib
import json
import math
import os
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "ConfigurationError",
    "Setting",
    "announce",
    "cast_to_floatx",
    "child_environment",
    "configuration_file",
    "epsilon",
    "executor_label",
    "executor_name",
    "find_executor",
    "first_steps",
    "floatx",
    "image_data_format",
    "image_dim_ordering",
    "keras_home",
    "kernel_cache_directory",
    "known_executors",
    "memory",
    "reset",
    "set_epsilon",
    "set_executor",
    "set_first_steps",
    "set_floatx",
    "set_image_data_format",
    "set_image_dim_ordering",
    "set_memory",
    "set_threads",
    "settings",
    "thread_changes",
    "threads",
]

FLOAT_TYPES = ("float16", "float32", "float64")
FIRST_STEPS = ("compile", "interpret")
MEMORY = ("fast", "small")
ENTRY_POINT_GROUP = "symgraph.backends"

_DEFAULT_EXECUTOR = "numba"
_LABELS = {"numba": "Numba", "cupy": "CuPy", "numpy": "NumPy"}
_SHORT_NAMES = {"cpu": "numba", "gpu": "cupy"}
# What other implementations of Keras write into the file or expect in the environment.
_OTHER_KERAS = frozenset({"tensorflow", "theano", "cntk", "jax", "torch", "mxnet", "openvino"})
_FORMAT_OF_ORDERING = {"tf": "channels_last", "th": "channels_first"}
_ORDERING_OF_FORMAT = {value: key for key, value in _FORMAT_OF_ORDERING.items()}
_FILE_KEYS = ("backend", "epsilon", "floatx", "first_steps", "image_data_format", "image_dim_ordering", "memory")


class ConfigurationError(ValueError):
    """A setting has a value that cannot be used; the message names the source, the value and what is possible."""


class Setting(NamedTuple):
    """One setting as ``symgraph config`` shows it."""

    name: str
    value: Any
    where: str


class _Store:
    """What was set by the program (`chosen`) and what was read from the file (`file`, None: not read yet)."""

    def __init__(self) -> None:
        self.chosen: dict[str, Any] = {}
        self.file: dict[str, Any] | None = None
        self.executor: Setting | None = None
        self.note = ""  # the one line about a value that another Keras left
        self.announced = False


_store = _Store()


def reset() -> None:
    """Forget everything set by the program and everything read: the next question reads the sources anew."""
    _store.__init__()  # type: ignore[misc]


# ---------------------------------------------------------------- the file


def keras_home() -> Path:
    """The folder of ``keras.json``, data sets and weights: ``KERAS_HOME``, or ``~/.keras``."""
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()


def configuration_file() -> Path:
    """The path of the user's ``keras.json``, whether it exists or not."""
    return keras_home() / "keras.json"


def _from_file() -> dict[str, Any]:
    """The checked contents of the user's file ({} where there is none), read once."""
    if _store.file is None:
        path = configuration_file()
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            _store.file = {}
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{path}: not UTF-8 text (byte {error.start}): save the file as UTF-8") from None
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot be read: {error.strerror or error}") from None
        else:
            _store.file = _checked(path, _parsed(path, text))
    return _store.file


def _parsed(path: Path, text: str) -> dict[str, Any]:
    """The JSON object in `text`; an error that names file, line and column where it is not one."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{path}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}. "
            "Correct the file, or remove it to use the defaults"
        ) from None
    if not isinstance(values, dict):
        raise ConfigurationError(
            f'{path}, line 1, column 1: expected a JSON object such as {{"floatx": "float32"}}, '
            f"got {type(values).__name__}"
        )
    return values


def _checked(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    """`values` with both generations' keys turned into one set of valid settings."""
    unknown = [key for key in values if key not in _FILE_KEYS]
    if unknown:
        warnings.warn(
            f"{path}: ignored the unknown {'key' if len(unknown) == 1 else 'keys'} "
            + ", ".join(repr(key) + _hint(key, _FILE_KEYS) for key in unknown)
            + f"; known keys: {', '.join(_FILE_KEYS)}",
            stacklevel=4,
        )
    checked: dict[str, Any] = {}
    if "floatx" in values:
        checked["floatx"] = _one_of(values["floatx"], FLOAT_TYPES, f"{path}: 'floatx'")
    if "first_steps" in values:
        checked["first_steps"] = _one_of(values["first_steps"], FIRST_STEPS, f"{path}: 'first_steps'")
    if "memory" in values:
        checked["memory"] = _one_of(values["memory"], MEMORY, f"{path}: 'memory'")
    if "epsilon" in values:
        checked["epsilon"] = _positive_number(values["epsilon"], f"{path}: 'epsilon'")
    if "image_dim_ordering" in values:
        ordering = _one_of(values["image_dim_ordering"], tuple(_FORMAT_OF_ORDERING), f"{path}: 'image_dim_ordering'")
        checked["image_data_format"] = _FORMAT_OF_ORDERING[ordering]
    if "image_data_format" in values:
        layout = _one_of(values["image_data_format"], tuple(_ORDERING_OF_FORMAT), f"{path}: 'image_data_format'")
        if checked.get("image_data_format", layout) != layout:
            warnings.warn(
                f"{path}: 'image_data_format' is {layout!r} but 'image_dim_ordering' is "
                f"{values['image_dim_ordering']!r}; the first is used",
                stacklevel=4,
            )
        checked["image_data_format"] = layout
    if "backend" in values:
        if not isinstance(values["backend"], str):
            raise ConfigurationError(f"{path}: 'backend' must be a string such as \"numba\", got {values['backend']!r}")
        checked["backend"] = values["backend"]
    return checked


def _hint(value: Any, possible: Any) -> str:
    """' (did you mean ...?)' where a possible value is close to the given one."""
    close = difflib.get_close_matches(str(value).lower(), list(possible), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _one_of(value: Any, possible: tuple[str, ...], what: str) -> str:
    if not isinstance(value, str) or value not in possible:
        names = ", ".join(repr(item) for item in possible)
        raise ConfigurationError(f"{what} must be one of {names}; got {value!r}{_hint(value, possible)}")
    return value


def _positive_number(value: Any, what: str) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ConfigurationError(f"{what} must be a positive number, got {value!r}")
    if not (value > 0 and math.isfinite(value)):
        raise ConfigurationError(f"{what} must be a positive, finite number, got {value!r}")
    return float(value)


def _value(name: str, default: Any) -> Any:
    if name in _store.chosen:
        return _store.chosen[name]
    return _from_file().get(name, default)


def _where(name: str) -> str:
    if name in _store.chosen:
        return f"set by the program (set_{name})"
    return str(configuration_file()) if name in _from_file() else "default"


# ---------------------------------------------------------------- numbers and images


def floatx() -> str:
    """The default float type, ``'float16'``, ``'float32'`` or ``'float64'``."""
    return _value("floatx", "float32")


def set_floatx(floatx: str) -> None:
    """Set the default float type of tensors made from now on.

    # Arguments
        floatx: ``'float16'``, ``'float32'`` or ``'float64'``; anything else raises ValueError.
    """
    _store.chosen["floatx"] = _one_of(floatx, FLOAT_TYPES, "floatx")


def cast_to_floatx(x: Any) -> np.ndarray:
    """`x` (a NumPy array or what becomes one) as a NumPy array of the default float type."""
    return np.asarray(x, dtype=floatx())


def epsilon() -> float:
    """The small number that keeps divisions and logarithms finite (default 1e-7)."""
    return _value("epsilon", 1e-7)


def set_epsilon(e: float) -> None:
    """Set the fuzz factor; a value that is not a positive number raises ValueError."""
    _store.chosen["epsilon"] = _positive_number(e, "epsilon")


def image_data_format() -> str:
    """The default layout of images, ``'channels_last'`` or ``'channels_first'``."""
    return _value("image_data_format", "channels_last")


def set_image_data_format(data_format: str) -> None:
    """Set the default layout of images: ``'channels_last'`` or ``'channels_first'``; else ValueError."""
    _store.chosen["image_data_format"] = _one_of(data_format, tuple(_ORDERING_OF_FORMAT), "image_data_format")


def image_dim_ordering() -> str:
    """The default layout of images in the words of Keras 1: ``'tf'`` (channels last) or ``'th'`` (channels first)."""
    return _ORDERING_OF_FORMAT[image_data_format()]


def set_image_dim_ordering(dim_ordering: str) -> None:
    """Set the default layout of images in the words of Keras 1: ``'tf'`` or ``'th'``; else ValueError."""
    ordering = _one_of(dim_ordering, tuple(_FORMAT_OF_ORDERING), "image_dim_ordering")
    _store.chosen["image_data_format"] = _FORMAT_OF_ORDERING[ordering]


# ---------------------------------------------------------------- the executor


def _registered_executors() -> list[str]:
    """The names under which other installed packages offer executors."""
    from importlib.metadata import entry_points

    return sorted({point.name for point in entry_points(group=ENTRY_POINT_GROUP)} - set(_LABELS))


def known_executors() -> list[str]:
    """The names of all executors: this package's own, then those that other packages register."""
    return [*_LABELS, *_registered_executors()]


def _select_executor() -> Setting:
    """Find the executor's name; raise where it is unknown; leave a note where it is another Keras' backend."""
    from_environment = os.environ.get("KERAS_BACKEND", "").strip()
    if from_environment:
        given, where = from_environment, "KERAS_BACKEND"
    else:
        given, where = str(_from_file().get("backend", "")).strip(), str(configuration_file())
    if not given:
        return Setting("backend", _DEFAULT_EXECUTOR, "default")
    return _resolve(given, where, left_behind=True)


def _resolve(given: str, where: str, left_behind: bool = False) -> Setting:
    """The executor that the word `given` means; `where` it was found is for messages.

    A backend of another Keras that was left behind in the file or the environment means the default; it is an error
    where the program or a command line names it.
    """
    name = given.lower()
    name = _SHORT_NAMES.get(name, name)
    if name in _LABELS:
        return Setting("backend", name, where)
    registered = _registered_executors()
    if given in registered:
        return Setting("backend", given, where)
    if left_behind and name in _OTHER_KERAS:
        _store.note = (
            f"{where} asks for the backend {given!r} of another Keras; "
            f"symgraph runs on {_DEFAULT_EXECUTOR!r} instead (known: {', '.join([*_LABELS, *registered])})."
        )
        reason = f"default ({where} says {given!r}, which is another Keras' backend)"
        return Setting("backend", _DEFAULT_EXECUTOR, reason)
    possible = [*_LABELS, *_SHORT_NAMES, *registered]
    raise ConfigurationError(
        f"{where} asks for the backend {given!r}, which does not exist{_hint(given, possible)}. "
        f"Known: numba (or cpu), cupy (or gpu), numpy{''.join(', ' + other for other in registered)}"
    )


def executor_name() -> str:
    """The name of the chosen executor: ``'numba'``, ``'cupy'``, ``'numpy'`` or another registered name.

    Read once: changing ``KERAS_BACKEND`` in a running program has no effect on it.
    """
    if _store.executor is None:
        _store.executor = _select_executor()
    return _store.executor.value


def find_executor(word: str) -> str:
    """The name of the executor that a word means: ``'numba'`` for ``'cpu'``; an unknown word raises ValueError."""
    return _resolve(word, "the program").value


def set_executor(name: str) -> None:
    """Choose the executor of this process; possible only before the backend is imported.

    # Arguments
        name: a name that ``KERAS_BACKEND`` could have; an unknown one raises ValueError, a change after the backend was
            imported RuntimeError.
    """
    chosen = _resolve(name, "the program (set_executor)")
    if _store.announced and chosen.value != executor_name():
        raise RuntimeError(
            f"the backend runs on {executor_name()!r} already; choose {name!r} before symgraph.backend is imported"
        )
    _store.executor = chosen


def child_environment(**changes: str) -> dict[str, str]:
    """The environment of this process with `changes`, for a child process that measures or tries an executor."""
    return {**os.environ, **changes}


def executor_label(name: str) -> str:
    """How an executor's name is written in messages: ``'Numba'`` for ``'numba'``."""
    return _LABELS.get(name, name)


def announce() -> None:
    """Print the chosen executor on stderr, once in a process: ``Using Numba backend.``"""
    if _store.announced:
        return
    name = executor_name()
    _store.announced = True
    if _store.note:
        print(_store.note, file=sys.stderr)
    print(f"Using {executor_label(name)} backend.", file=sys.stderr)


# ---------------------------------------------------------------- threads and the kernel cache


#: How often the number of threads was set; compiled programs compare it to know that they must look again.
thread_changes = 0


def set_threads(number: int) -> None:
    """Set the number of threads of the CPU executor; each function uses them from its next call on.

    A function that was compiled for fewer threads keeps to those: its memory was laid out for them.

    # Arguments
        number: a positive integer; anything else raises ValueError.
    """
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
        raise ConfigurationError(f"the number of threads must be a positive integer, got {number!r}")
    global thread_changes
    _store.chosen["threads"] = int(number)
    thread_changes += 1


def threads() -> int:
    """The number of threads of the CPU executor.

    What `set_threads` set, or ``SYMGRAPH_NUM_THREADS``, or ``OMP_NUM_THREADS``, or the number of CPUs that this process
    may use (its affinity and, in a container, its share of CPU time).
    """
    return _threads().value


def _threads() -> Setting:
    if "threads" in _store.chosen:
        return Setting("threads", _store.chosen["threads"], "set by the program (set_threads)")
    own = os.environ.get("SYMGRAPH_NUM_THREADS", "").strip()
    if own:
        if not own.isdecimal() or int(own) < 1:
            raise ConfigurationError(f"SYMGRAPH_NUM_THREADS must be a positive integer, got {own!r}")
        return Setting("threads", int(own), "SYMGRAPH_NUM_THREADS")
    # OpenMP allows a list, one entry per nesting level; a value that OpenMP would refuse is not ours to judge.
    shared = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if shared.isdecimal() and int(shared) >= 1:
        return Setting("threads", int(shared), "OMP_NUM_THREADS")
    return Setting("threads", _usable_processors(), "CPUs this process may use")


def _usable_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        number = len(os.sched_getaffinity(0))
    else:
        number = os.cpu_count() or 1
    share = _processor_share()
    return max(1, min(number, math.ceil(share))) if share else number


def _processor_share() -> float | None:
    """CPUs' worth of time that a container's control group allows, or None where there is no limit.

    Threads that wait by spinning lose badly when there are more of them than the group may run at once.
    """
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()[:2]
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None  # not Linux, or an older control group


def set_memory(how: str) -> None:
    """Choose between time and memory where a training step can keep a value or make it again.

    ``'fast'``, the default, makes again only what costs no more time than reading it. ``'small'`` makes random numbers
    again too, so that no mask of a dropout and no noise is kept for the backward pass, and cheap values of several
    arrays. The results have the same bits. It holds for functions that are compiled from now on.

    # Arguments
        how: ``'fast'`` or ``'small'``; anything else raises ConfigurationError.
    """
    _store.chosen["memory"] = _one_of(how, MEMORY, "memory")


def memory() -> str:
    """Whether time or memory counts more, ``'fast'`` or ``'small'`` (see the setter).

    What `set_memory` set, or ``SYMGRAPH_MEMORY``, or the key ``memory`` of the file.
    """
    return _memory().value


def _memory() -> Setting:
    if "memory" in _store.chosen:
        return Setting("memory", _store.chosen["memory"], "set by the program (set_memory)")
    given = os.environ.get("SYMGRAPH_MEMORY", "").strip()
    if given:
        return Setting("memory", _one_of(given, MEMORY, "SYMGRAPH_MEMORY"), "SYMGRAPH_MEMORY")
    return Setting("memory", _value("memory", "fast"), _where("memory"))


def set_exact(value: bool) -> None:
    """Choose exactness where the CPU executor would be faster with larger errors.

    3x3 convolutions of many channels are direct sums, instead of Winograd's algorithm, whose errors are a few times
    theirs; and denormal numbers (of float32 those below 1.2e-38) are computed with, instead of counting as 0. It holds
    for functions that are compiled from now on.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(f"set_exact: expected True or False, got {value!r}")
    _store.chosen["exact"] = value


def exact() -> bool:
    """Whether direct sums are wanted (see `set_exact`); ``SYMGRAPH_EXACT=1`` in the environment does the same."""
    return _exact().value


def _exact() -> Setting:
    if "exact" in _store.chosen:
        return Setting("exact", _store.chosen["exact"], "set by the program (set_exact)")
    given = os.environ.get("SYMGRAPH_EXACT", "").strip()
    if given not in ("", "0", "1"):
        raise ConfigurationError(f"SYMGRAPH_EXACT must be 0 or 1, got {given!r}")
    return Setting("exact", given == "1", "SYMGRAPH_EXACT" if given else "default")


def set_first_steps(how: str) -> None:
    """Choose what a function of the CPU executor does while its kernels are being compiled.

    ``'compile'`` waits for them. ``'interpret'`` computes its first calls with NumPy, kernels being compiled in the
    background, and changes over between two calls; it says so once. NumPy rounds otherwise than kernels do, so the last
    bits of what is trained then depend on how fast they were compiled: the same seed gives the same bits only with
    ``'compile'``, the default, or where the kernel cache has all kernels. It holds for functions that are first called
    from now on.

    # Arguments
        how: ``'compile'`` or ``'interpret'``; anything else raises ValueError.
    """
    _store.chosen["first_steps"] = _one_of(how, FIRST_STEPS, "first_steps")


def first_steps() -> str:
    """What a function does while its kernels are being compiled, ``'compile'`` or ``'interpret'`` (see the setter).

    What `set_first_steps` set, or ``SYMGRAPH_FIRST_STEPS``, or the key ``first_steps`` of the file.
    """
    return _first_steps().value


def _first_steps() -> Setting:
    if "first_steps" in _store.chosen:
        return Setting("first_steps", _store.chosen["first_steps"], "set by the program (set_first_steps)")
    given = os.environ.get("SYMGRAPH_FIRST_STEPS", "").strip()
    if given:
        return Setting("first_steps", _one_of(given, FIRST_STEPS, "SYMGRAPH_FIRST_STEPS"), "SYMGRAPH_FIRST_STEPS")
    return Setting("first_steps", _value("first_steps", "compile"), _where("first_steps"))


def kernel_cache_directory() -> Path:
    """The folder of compiled kernels; it need not exist or be writable.

    ``SYMGRAPH_CACHE``, or ``symgraph/kernels`` in the user's cache folder (``XDG_CACHE_HOME`` or
    ``~/.cache``; ``LOCALAPPDATA`` on Windows, ``~/Library/Caches`` on macOS).
    """
    return _kernel_cache_directory().value


def _kernel_cache_directory() -> Setting:
    own = os.environ.get("SYMGRAPH_CACHE")
    if own:
        return Setting("kernel_cache_directory", Path(own).expanduser().absolute(), "SYMGRAPH_CACHE")
    where = "default"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local").expanduser()
    elif sys.platform == "darwin":
        base = Path("~/Library/Caches").expanduser()
    else:
        shared = os.environ.get("XDG_CACHE_HOME", "")
        # The XDG specification says that a relative path is to be ignored.
        if os.path.isabs(shared):
            base, where = Path(shared), "XDG_CACHE_HOME"
        else:
            base = Path("~/.cache").expanduser()
    return Setting("kernel_cache_directory", base / "symgraph" / "kernels", where)


def settings() -> list[Setting]:
    """All settings as (name, value, where it came from), in the order in which ``symgraph config`` shows them."""
    executor_name()
    executor = _store.executor
    assert executor is not None
    path = configuration_file()
    home = "KERAS_HOME" if os.environ.get("KERAS_HOME") else "default"
    return [
        executor,
        Setting("floatx", floatx(), _where("floatx")),
        Setting("epsilon", epsilon(), _where("epsilon")),
        Setting("image_data_format", image_data_format(), _where("image_data_format")),
        _threads(),
        _exact(),
        _memory(),
        _first_steps(),
        _kernel_cache_directory(),
        Setting("keras_home", keras_home(), home),
        Setting("configuration_file", path, f"{home}; {'read' if path.exists() else 'does not exist'}"),
    ]
