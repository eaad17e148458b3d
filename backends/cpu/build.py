"""From the source text of a kernel to the bytes of a native object file, through Numba's front end and LLVM.

Imported only when the kernel cache has no object: this is the one place where Numba runs.  Numba types the function and
writes LLVM text; the optimisation is one pipeline of our own instead of Numba's three, and nothing is linked in but
what the kernel calls: no Python wrapper, no reference counting, no error path.
"""

from __future__ import annotations

import contextlib
import gc
import re
import threading
from collections.abc import Iterator
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from symgraph.backends.cpu import vector

__all__ = ["FLAGS", "KernelError", "assembly", "build", "prepare"]

#: Products and sums may become one fused instruction; nothing else is rearranged, so that ``(a + b) - b``, ``x / 3``
#: and signed zeros are what the user wrote. Sums whose order does not matter say so themselves (``accumulate``).
FLAGS = ("contract",)

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


def _compiler() -> type:
    """A Numba pipeline with the passes that kernels need: no rewrites, closures or parallel analysis."""
    if "compiler" not in _state:
        from numba.core import typed_passes, untyped_passes
        from numba.core.compiler import CompilerBase
        from numba.core.compiler_machinery import PassManager

        class KernelCompiler(CompilerBase):
            def define_pipelines(self) -> list[Any]:
                manager = PassManager("kernel")
                manager.add_pass(untyped_passes.TranslateByteCode, "read bytecode")
                manager.add_pass(untyped_passes.FixupArgs, "arguments")
                manager.add_pass(untyped_passes.IRProcessing, "control flow")
                manager.add_pass(untyped_passes.ReconstructSSA, "single assignment")
                manager.add_pass(typed_passes.NopythonTypeInference, "types")
                manager.add_pass(typed_passes.PreLowerStripPhis, "remove phis")
                manager.add_pass(typed_passes.IRLegalization, "legal")
                manager.add_pass(typed_passes.NativeLowering, "lower")
                manager.add_pass(typed_passes.NoPythonBackend, "result")
                manager.finalize()
                return [manager]

        _state["compiler"] = KernelCompiler
    return _state["compiler"]


@contextlib.contextmanager
def _light(target: Any) -> Iterator[None]:
    """Keep Numba's ``target`` from growing.

    Each name that is new to it would make it load all that Numba has, its memory management compiled included, and
    each function would be linked with that: kernels use none of it.
    """
    target.refresh = lambda: None
    target.post_lowering = lambda module, library: None
    try:
        yield
    finally:
        del target.refresh, target.post_lowering


@contextlib.contextmanager
def _remembered(typing: Any) -> Iterator[None]:
    """Let Numba search for the signature of a call once for the same types of arguments.

    The search is a third of its time, and made twice for each operator: when types are found and when code is written.
    What the words of the kernel language and the operators on numbers mean does not change while a process runs.
    """
    from numba.core.types import functions

    known = _state.setdefault("signatures", {})
    kind: Any = functions.BaseFunction
    resolve, search = typing.resolve_function_type, kind.get_call_type

    def resolve_once(function: Any, arguments: Any, keywords: Any) -> Any:
        if keywords:
            return resolve(function, arguments, keywords)
        key = function, tuple(arguments)
        if key not in known:
            known[key] = resolve(function, arguments, keywords)
        return known[key]

    def search_once(function: Any, context: Any, arguments: Any, keywords: Any) -> Any:
        if keywords or context is not typing:
            return search(function, context, arguments, keywords)
        key = "search", function, tuple(arguments)
        if key not in known:
            known[key] = search(function, context, arguments, keywords)
        return known[key]

    typing.resolve_function_type, kind.get_call_type = resolve_once, search_once
    try:
        yield
    finally:
        del typing.resolve_function_type
        kind.get_call_type = search


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


def _typed_text(source: str, name: str, symbol: str) -> tuple[list[str], list[Any]]:
    """LLVM texts of the kernel and of its plain C entry ``symbol(int64, int64, int64)``; libraries it links to."""
    from numba.core import compiler, types
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    from symgraph.backends.cpu import native_vector  # noqa: F401  (its operators must be known before the registries are)
    from symgraph.backends.cpu.language import function_of
    from symgraph.backends.cpu.native import native_namespace

    function = function_of(source, name, native_namespace)
    typing, target = cpu_target.typing_context, cpu_target.target_context
    with _light(target):
        typing.refresh()
    if "registries" not in _state:
        # What kernels are made of, instead of all that Numba has, which takes half a second to load.
        from numba.core.imputils import builtin_registry
        from numba.cpython import builtins, mathimpl, numbers, rangeobj, tupleobj  # noqa: F401  (imported to register)

        target.install_registry(builtin_registry)
        target.install_registry(mathimpl.registry)
        _state["registries"] = True
    flags: Any = compiler.Flags()
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    with global_compiler_lock:
        library = target.codegen().create_library(symbol)
        texts: list[str] = []
        # Numba would parse, verify and optimise each module as it comes; here the text is kept and handled once.
        library.add_ir_module = lambda module: texts.append(str(relaxed(module)))
        with _light(target), _remembered(typing):
            result = compiler.compile_extra(
                typing,
                target,
                function,
                (types.int64,) * 3,
                types.void,
                flags,
                {},
                library=library,
                pipeline_class=_compiler(),
            )
        entry = library.create_ir_module(symbol + "_entry")
        integer = ir.IntType(64)
        native = ir.Function(entry, ir.FunctionType(ir.VoidType(), [integer] * 3), symbol)
        builder = ir.IRBuilder(native.append_basic_block())
        inner = target.declare_function(entry, result.fndesc)
        target.call_conv.call_function(builder, inner, types.void, result.fndesc.argtypes, native.args)
        builder.ret_void()
        texts.append(str(entry))
        linked = [one._get_module_for_linking() for one in dict.fromkeys(library._linking_libraries)]
    return texts, linked


def relaxed(module: ir.Module) -> ir.Module:
    """Put :data:`FLAGS` on the floating-point arithmetic of the kernel, but not on that of mathematics.py.

    Numba's own ``fastmath`` marks every instruction of a module, and error-compensated formulas would be optimised
    away.
    """
    from symgraph.backends.cpu.native_functions import PREFIX

    for function in module.functions:
        if function.name.startswith(PREFIX):
            continue
        for block in function.blocks:
            for instruction in block.instructions:
                if instruction.opname in ("fadd", "fsub", "fmul", "fdiv", "frem", "fneg"):
                    instruction.flags = [*instruction.flags, *FLAGS]
    return module


_LABEL = re.compile(r'^("?[^\s:"]+"?):', re.M)


def annotate_loops(text: str) -> str:
    """Say of each loop that accesses through independent pointers may be reordered across its iterations.

    Loads and stores carry the marker of :data:`native.ACCESS_GROUP`; each branch to a block that stands earlier in the
    text is the end of a loop and gets ``llvm.loop.parallel_accesses``.
    """
    from symgraph.backends.cpu.native import ACCESS_GROUP, WRITTEN_OUT

    if "!" + ACCESS_GROUP not in text and WRITTEN_OUT not in text:
        return text
    text = re.sub("!" + re.escape(ACCESS_GROUP) + r" !\d+", "!llvm.access.group !900000", text)
    seen: set[str] = set()
    count = 900002
    lines = []
    for line in text.split("\n"):
        if line.startswith("define "):
            seen = set()
        label = _LABEL.match(line)
        if label:
            seen.add(label.group(1).strip('"'))
        elif line.lstrip().startswith("br ") and "!llvm.loop" not in line:
            targets = re.findall(r'label %("[^"]*"|[\w.$-]+)', line)
            if any(one.strip('"') in seen for one in targets):
                count += 1
                line += f", !llvm.loop !{count}"
        lines.append(line)
    lines.append("!900000 = distinct !{}")
    lines.append('!900001 = !{!"llvm.loop.parallel_accesses", !900000}')
    lines.append(
        '!900002 = !{!"llvm.loop.unroll.runtime.disable"}'
    )  # else the rest of a vector loop is unrolled at length
    lines.extend(f"!{one} = distinct !{{!{one}, !900001, !900002}}" for one in range(900003, count + 1))
    return "\n".join(lines)


def optimised_module(source: str, name: str, symbol: str) -> Any:
    """The kernel as an optimised LLVM module whose one visible function is ``symbol``."""
    word = vector.shared_word(source)
    if word is not None:
        return optimised_microkernel(word, symbol)
    texts, linked = _typed_text(source, name, symbol)
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
    return _optimised(module, 3)


def _optimised(module: Any, level: int, vectors: bool = True) -> Any:
    """Run LLVM's passes over a module: up to a level, with those that make vectors of loops or without."""
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = options.slp_vectorization = vectors
    builder = llvm.create_pass_builder(target_machine(), options)
    builder.getModulePassManager().run(module, builder)
    return module


def optimised_microkernel(word: str, symbol: str) -> Any:
    """The shared microkernel ``word`` as an optimised LLVM module whose one visible function is ``symbol``.

    Numba has no part in it, and LLVM little to do: loops and vectors are as they should be.
    """
    from symgraph.backends.cpu import native_vector
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
