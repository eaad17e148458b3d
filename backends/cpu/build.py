"""From the source text of a kernel to the bytes of a native object file, through Numba's front end and LLVM.

Imported only when the kernel cache has no object: here and in front.py Numba runs.  Numba types the function and writes
LLVM text; the optimisation is one pipeline of our own instead of Numba's three, and nothing is linked in but what the
kernel calls: no Python wrapper, no reference counting, no error path.
"""

from __future__ import annotations

import contextlib
import gc
import re
import threading
from collections.abc import Iterator
from typing import Any

import llvmlite.binding as llvm

from symgraph.backends.cpu import vector

__all__ = ["KernelError", "assembly", "build", "prepare"]

_lock = threading.RLock()
_state: dict[str, Any] = {}


class KernelError(RuntimeError):
    """A kernel that does not compile, or an object file that cannot be used; the message holds the source text."""


def target_machine() -> Any:
    """LLVM's target machine for this processor, as objects of the cache are made for it."""
    machine = _state.get("machine")
    if machine is None:
        # Loops over many buffers need many overlap checks before LLVM makes vectors of them; its limit of 8 is too low.
        llvm.set_option("", "-runtime-memory-check-threshold=512")
        llvm.set_option("", "-memory-check-merge-threshold=512")
        if llvm.get_process_triple().startswith("x86"):
            # Addresses are computed by the loads themselves there: no kernel got slower without this pass, which takes
            # up to half of the time that LLVM needs for a kernel of many pointers.
            llvm.set_option("", "-disable-lsr")
        machine = _state["machine"] = new_target_machine()
    return machine


def new_target_machine() -> Any:
    """A fresh target machine: an execution engine takes possession of the one it is given."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    options: dict[str, Any] = {"cpu": llvm.get_host_cpu_name(), "features": host_features(), "opt": 3}
    # The code is loaded anywhere in memory and calls far away: what LLVM's JIT chooses for itself.
    options.update(reloc="static" if target.name.startswith("x86") else "default", codemodel="jitdefault", jit=True)
    return target.create_target_machine(**options)


def host_features() -> str:
    """The instruction sets of this processor, as LLVM's ``+this,-that`` text."""
    try:
        return llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # LLVM cannot tell on this platform; the processor's name alone then decides
        return ""


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Put off the search for cycles of objects: Numba makes hundreds of thousands that live as long as the kernel."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


_LABEL = re.compile(r'^("?[^\s:"]+"?):', re.M)


#: A call of a long formula of mathematics.py (roots are instructions).
_FORMULA = re.compile(r' call .*@"symgraph\.mathematics\.(?!r?sqrt_)\w+_float32"')
#: Vectors that go through formulas together, and how many formulas a loop may have for that: more would only be long.
_TOGETHER, _MOST_FORMULAS = 4, 8


def annotate_loops(text: str) -> str:
    """Say of each loop that accesses through independent pointers may be reordered across its iterations.

    Loads and stores carry the marker of :data:`native.ACCESS_GROUP`; each branch to a block that stands earlier in the
    text is the end of a loop and gets ``llvm.loop.parallel_accesses``.  Loops over long formulas take several vectors
    at a time: each step of a formula waits for the one before, and a processor looks ahead too few instructions to
    begin the next vector meanwhile (measured: 1.4 to 2 times as fast).
    """
    from symgraph.backends.cpu.native import ACCESS_GROUP, WRITTEN_OUT

    if "!" + ACCESS_GROUP not in text and WRITTEN_OUT not in text:
        return text
    text = re.sub("!" + re.escape(ACCESS_GROUP) + r" !\d+", "!llvm.access.group !900000", text)
    seen: dict[str, int] = {}  # labels, and where they stand
    count, last_end = 900003, -1
    together: set[int] = set()
    lines: list[str] = []
    for line in text.split("\n"):
        if line.startswith("define "):
            seen = {}
        label = _LABEL.match(line)
        if label:
            seen[label.group(1).strip('"')] = len(lines)
        elif line.lstrip().startswith("br ") and "!llvm.loop" not in line:
            targets = re.findall(r'label %("[^"]*"|[\w.$-]+)', line)
            starts = [seen[one.strip('"')] for one in targets if one.strip('"') in seen]
            if starts:
                count += 1
                line += f", !llvm.loop !{count}"
                calls = sum(_FORMULA.search(one) is not None for one in lines[min(starts) :])
                if 0 < calls <= _MOST_FORMULAS and last_end < min(starts):
                    together.add(count)
                last_end = len(lines)
        lines.append(line)
    lines.append("!900000 = distinct !{}")
    lines.append('!900001 = !{!"llvm.loop.parallel_accesses", !900000}')
    lines.append(
        '!900002 = !{!"llvm.loop.unroll.runtime.disable"}'
    )  # else the rest of a vector loop is unrolled at length
    lines.append(f'!900003 = !{{!"llvm.loop.interleave.count", i32 {_TOGETHER}}}')
    for one in range(900004, count + 1):
        marks = ", !900003" if one in together else ""
        lines.append(f"!{one} = distinct !{{!{one}, !900001, !900002{marks}}}")
    return "\n".join(lines)


def optimised_module(source: str, name: str, symbol: str) -> Any:
    """The kernel as an optimised LLVM module whose one visible function is ``symbol``."""
    word = vector.shared_word(source)
    if word is not None:
        return optimised_microkernel(word, symbol)
    from symgraph.backends.cpu.front import typed_text

    texts, linked = typed_text(source, name, symbol)
    machine = target_machine()
    module = None
    for text in texts:
        part = llvm.parse_assembly(annotate_loops(text))
        if module is None:
            module = part
        else:
            module.link_in(part)
    assert module is not None
    for library in linked:
        module.link_in(library, preserve=True)
    module.data_layout = str(machine.target_data)
    module.verify()
    for function in module.functions:
        if not function.is_declaration and function.name != symbol:
            function.linkage = "internal"
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    return _optimised(module, 2)


def _optimised(module: Any, level: int, vectors: bool = True) -> Any:
    """Run LLVM's passes over a module: up to a level, with the one that makes vectors of loops or without.

    No kernel ran faster for the third level or for vectors of instructions outside of loops, which take a fifth of
    LLVM's time.
    """
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization, options.slp_vectorization = vectors, False
    builder = llvm.create_pass_builder(target_machine(), options)
    builder.getModulePassManager().run(module, builder)
    return module


def optimised_microkernel(word: str, symbol: str) -> Any:
    """The shared microkernel ``word`` as an optimised LLVM module whose one visible function is ``symbol``.

    Numba has no part in it, and LLVM little to do: loops and vectors are as they should be.
    """
    from symgraph.backends.cpu import native_vector
    from symgraph.backends.cpu.front import relaxed
    from symgraph.backends.cpu.native import WRITTEN_OUT

    machine = target_machine()
    module = llvm.parse_assembly(annotate_loops(str(relaxed(native_vector.module_of([word])))))
    module.triple, module.data_layout = llvm.get_process_triple(), str(machine.target_data)
    module.verify()
    module.get_function(WRITTEN_OUT + word).name = symbol
    return _optimised(module, 1, vectors=False)


def build(source: str, name: str, symbol: str) -> tuple[bytes, list[str]]:
    """Compile one kernel.

    Arguments: its ``source`` text, its ``name`` (for messages) and the ``symbol`` under which the object exports it.
    Returns the object file's bytes and the names of the functions that the module declares but does not define.
    Raises KernelError, with the source text, where Numba or LLVM refuses it.
    """
    with _lock, _without_collections():
        try:
            module = optimised_module(source, name, symbol)
            wanted = [one.name for one in module.functions if one.is_declaration and not one.name.startswith("llvm.")]
            return target_machine().emit_object(module), wanted
        except Exception as error:
            numbered = "\n".join(f"{number:4d}  {line}" for number, line in enumerate(source.splitlines(), 1))
            raise KernelError(
                f"kernel {name!r} does not compile: {type(error).__name__}: {error}\n{numbered}"
            ) from error


def prepare() -> None:
    """Load all that compiling needs, so that the next kernel takes no longer than others."""
    build("def kernel(thread, threads, args):\n    store(args, 0, 0)\n", "kernel", "symgraph_nothing")


def assembly(source: str, name: str) -> str:
    """The kernel as assembly text of this processor, for people and tests that look at what LLVM made of it."""
    with _lock:
        return target_machine().emit_assembly(optimised_module(source, name, "symgraph_" + name))
