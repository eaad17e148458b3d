"""`symgraph run script.py`: runs a Keras script in its dialect."""

from __future__ import annotations

import os
import sys
import traceback
import types
from collections.abc import Sequence
from pathlib import Path

__all__ = ["run"]


def run(path: Path, arguments: Sequence[str] = (), keras: str = "auto", fix_python2: bool = False,
        full_traceback: bool = False) -> int:
    """Run a script as `__main__`, with `import keras` finding symgraph.

    # Arguments
        path: the script.
        arguments: what it finds in `sys.argv[1:]`.
        keras: '1', '2' or 'auto' (the script's imports and arguments decide).
        fix_python2: whether a script of Python 2 is run as a corrected copy.
        full_traceback: whether the frames of symgraph are shown in the traceback of an error.

    # Returns
        The exit code.
    """
    from symgraph import install
    from symgraph.cli import CommandError
    from symgraph.scripts import analysis, python2

    if not path.is_file():
        raise CommandError(f"no such script: {path}")
    source = path.read_bytes()
    try:
        problems = python2.problems(source, path)
    except SyntaxError as error:
        print("".join(traceback.format_exception_only(error)), end="", file=sys.stderr)
        return 1
    shown = str(path)
    if problems:
        if not fix_python2:
            raise CommandError(python2.message(path, problems))
        try:
            source = python2.corrected(source.decode("utf-8", "replace"), str(path)).encode()
        except (ImportError, ValueError) as error:
            raise CommandError(str(error)) from None
        shown = _keep_copy(path, source)
        print(f"symgraph: running {shown}, a copy for Python 3; {path} stays as it is", file=sys.stderr)
    reason = "as asked"
    if keras == "auto":
        keras, reason = analysis.choose(analysis.read(path, source.decode("utf-8", "replace")))
    print(f"symgraph: Keras {keras} ({reason})", file=sys.stderr)
    install.install_as_keras(version=keras, tf_keras=_missing("tensorflow"))
    install.explain_missing()
    return _execute(path, shown, source, arguments, keras, full_traceback)


def _missing(package: str) -> bool:
    import importlib.util

    return package not in sys.modules and importlib.util.find_spec(package) is None


def _keep_copy(path: Path, source: bytes) -> str:
    import tempfile

    folder = tempfile.mkdtemp(prefix="symgraph-python3-")
    copy = os.path.join(folder, path.name)
    with open(copy, "wb") as file:
        file.write(source)
    return copy


def _execute(path: Path, shown: str, source: bytes, arguments: Sequence[str], keras: str, full: bool) -> int:
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=str(path), __builtins__=__builtins__)
    before = sys.argv, sys.path[:], sys.modules.get("__main__")
    sys.argv = [str(path), *arguments]
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules["__main__"] = main
    try:
        exec(compile(source, shown, "exec"), main.__dict__)
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return leaving.code or 0
        print(leaving.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BaseException as error:  # noqa: BLE001 - the script's own failure, shown as its traceback
        print(explain(error, shown, keras, full), file=sys.stderr)
        return 1
    finally:
        sys.stdout.flush()
        sys.argv, sys.path[:] = before[0], before[1]
        if before[2] is not None:
            sys.modules["__main__"] = before[2]
    return 0


def explain(error: BaseException, script: str, keras: str, full: bool = False) -> str:
    """The traceback of a failed script: its own lines, the error, and what symgraph knows about it.

    # Arguments
        error: what the script raised.
        script: its file name, as in the traceback.
        keras: the dialect it ran in.
        full: whether all frames are shown.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    package = os.path.dirname(here)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == script or not _is_library(frame.filename, package)]
    lines = ["Traceback (most recent call last):", *map(str.rstrip, traceback.format_list(frames if full else own)),
             *map(str.rstrip, traceback.format_exception_only(error))]
    hidden = 0 if full else len(frames) - len(own)
    if hidden:
        lines.append(f"symgraph: frames inside libraries ({hidden}) are left out; --traceback shows them")
    hint = _hint(error, keras)
    if hint:
        lines.append(f"symgraph: {hint}")
    return "\n".join(lines)


def _is_library(filename: str, package: str) -> bool:
    from symgraph import backends, layers

    folders = [package, *(os.path.dirname(module.__file__ or "") for module in (layers, backends))]
    if any(os.path.abspath(filename).startswith(folder + os.sep) for folder in folders):
        return True
    return "site-packages" in filename or filename.startswith("<") or "lib" + os.sep + "python" in filename


def _hint(error: BaseException, keras: str) -> str:
    other = "2" if keras == "1" else "1"
    text = str(error)
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == "keras":
        return f"the module is not among those of Keras {keras}; try `--keras {other}`, or `symgraph check`."
    if isinstance(error, ImportError) and "keras" in text:
        return f"the name is not in the Keras-{keras} dialect; try `--keras {other}`, or `symgraph check`."
    if isinstance(error, TypeError) and ("unknown keyword" in text or "unexpected keyword" in text
                                         or "Its arguments are" in text):
        return f"the script ran in the Keras-{keras} dialect; try `--keras {other}`, or `symgraph check`."
    if isinstance(error, ModuleNotFoundError):
        return f"the script needs the package {error.name!r}, which is not installed."
    return ""
