"""Numba's front end as kernels need it: from the text of a kernel to LLVM text.

Numba reads the bytecode, finds the types and writes LLVM instructions.  What it does besides for programs in general,
and what would cost a third of the time here, is left out: kernels hold numbers and pointers alone, so nothing is
counted or deleted; no exception is raised; and most names have one type, so that they are not split by assignment.

The contexts, in which Numba looks up what operations mean, are our own: loops over ``range`` and divisions of integers
are leaner in them than Numba's, and nothing changes for other users of Numba in the process.
"""

from __future__ import annotations

import contextlib
import functools
import operator
from collections import Counter
from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba.core import compiler, cpu, typed_passes, types, typing, untyped_passes
from numba.core import ir as statements
from numba.core.cgutils import alloca_once_value, create_struct_proxy
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import FunctionPass, PassManager, register_pass
from numba.core.errors import NumbaError
from numba.core.imputils import RefType, Registry, builtin_registry, iternext_impl
from numba.core.lowering import Lower
from numba.core.transforms import canonicalize_cfg

__all__ = ["define", "relaxed", "typed_text"]

#: Products and sums may become one fused instruction; nothing else is rearranged, so that ``(a + b) - b``, ``x / 3``
#: and signed zeros are what the user wrote. Sums whose order does not matter say so themselves (``accumulate``).
FLAGS = ("contract",)

I64 = ir.IntType(64)


# -------------------- what operations mean


class KernelContext(cpu.CPUContext):
    """How operations are written as instructions: those on numbers, and the words of the kernel language."""

    def __init__(self, typing_context: Any) -> None:
        super().__init__(typing_context, "cpu")
        from numba.cpython import builtins, mathimpl, numbers, rangeobj, tupleobj  # noqa: F401  (imported to register)

        self._found: dict[Any, Any] = {}
        self.install_registry(mathimpl.registry)
        self.install_registry(builtin_registry)
        self.install_registry(_lean)  # after Numba's: the last one counts

    def refresh(self) -> None:
        """Look for new declarations, but load nothing more: Numba calls it for each name that is new to it."""
        self.install_registry(builtin_registry)

    def get_function(self, fn: Any, sig: Any, _firstcall: bool = True) -> Any:
        """Find how `fn` is written for a signature; each is looked up and wrapped once."""
        key = fn, sig
        if key not in self._found:
            self._found[key] = super().get_function(fn, sig, _firstcall)
        return self._found[key]

    def post_lowering(self, module: Any, library: Any) -> None:
        """Link nothing in: Numba would add its memory management."""


@functools.cache
def contexts() -> tuple[Any, KernelContext]:
    """The contexts of kernels: of types, and of instructions."""
    typing_context = typing.Context()
    return typing_context, KernelContext(typing_context)


def define(function: Any, arguments: tuple[Any, ...], implementation: Any) -> None:
    """Say how `function` of `arguments` (Numba types) is written: ``implementation(context, builder, sig, values)``."""
    contexts()[1].insert_func_defn([(implementation, function, arguments)])


_lean = Registry("symgraph kernels")


def _divided(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Quotient and remainder of int64, rounded as Python does; both 0 where the divisor is. Without a branch."""
    none = builder.icmp_signed("==", b, I64(0))
    # The quotient that is no int64: processors stop there. Division by 1 gives what wraps around.
    wraps = builder.and_(builder.icmp_signed("==", a, I64(-(1 << 63))), builder.icmp_signed("==", b, I64(-1)))
    by = builder.select(builder.or_(none, wraps), I64(1), b)
    quotient, rest = builder.sdiv(a, by), builder.srem(a, by)
    apart = builder.icmp_signed("<", builder.xor(a, b), I64(0))
    lower = builder.and_(builder.icmp_signed("!=", rest, I64(0)), apart)
    quotient = builder.sub(quotient, builder.zext(lower, I64))
    return builder.select(none, I64(0), quotient), builder.add(rest, builder.select(lower, b, I64(0)))


@_lean.lower(operator.floordiv, types.int64, types.int64)
@_lean.lower(operator.ifloordiv, types.int64, types.int64)
def _quotient(context: Any, builder: ir.IRBuilder, sig: Any, values: Any) -> ir.Value:
    return _divided(builder, *values)[0]


@_lean.lower(operator.mod, types.int64, types.int64)
@_lean.lower(operator.imod, types.int64, types.int64)
def _remainder(context: Any, builder: ir.IRBuilder, sig: Any, values: Any) -> ir.Value:
    return _divided(builder, *values)[1]


_range = create_struct_proxy(types.range_state64_type)
_loop = create_struct_proxy(types.range_iter64_type)


@_lean.lower("getiter", types.range_state64_type)
def _begin(context: Any, builder: ir.IRBuilder, sig: Any, values: Any) -> ir.Value:
    """Begin a loop over ``range``, whose step is positive in kernels."""
    given, loop = _range(context, builder, values[0]), _loop(context, builder)
    loop.iter = loop.count = alloca_once_value(builder, given.start)
    loop.stop, loop.step = given.stop, given.step
    return loop._getvalue()


@_lean.lower("iternext", types.range_iter64_type)
@iternext_impl(RefType.UNTRACKED)
def _next(context: Any, builder: ir.IRBuilder, sig: Any, values: Any, result: Any) -> None:
    loop = _loop(context, builder, values[0])
    here = builder.load(loop.iter)
    result.set_valid(builder.icmp_signed("<", here, loop.stop))
    result.yield_(here)
    builder.store(builder.add(here, loop.step, flags=("nsw",)), loop.iter)


# -------------------- the passes


@register_pass(mutates_CFG=True, analysis_only=False)
class TidyBlocks(FunctionPass):
    """Bring blocks into the form that the other passes expect; elements of tuples are those of constant numbers."""

    _name = "symgraph_tidy_blocks"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        function = state["func_ir"]
        function.blocks = canonicalize_cfg(function.blocks)
        function.generator_info = None
        for block in function.blocks.values():
            constants: dict[str, int] = {}  # of names that hold a constant here
            for one in block.body:
                if not isinstance(one, statements.Assign):
                    continue
                value = one.value
                if isinstance(value, statements.Expr) and value.op == "getitem" and value.index.name in constants:
                    place = constants[value.index.name]
                    one.value = statements.Expr.static_getitem(value.value, place, value.index, value.loc)
                constants.pop(one.target.name, None)
                if isinstance(value, statements.Const) and type(value.value) is int:
                    constants[one.target.name] = value.value
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class FindTypes(typed_passes.NopythonTypeInference):
    """Find the type of each name, and refuse a name that is given numbers of several types.

    Numba would give such a name the type that holds them all, a float64 for an int32 and a float32.
    """

    _name = "symgraph_find_types"

    def run_pass(self, state: Any) -> bool:
        done = super().run_pass(state)
        blocks = state.func_ir.blocks.values()
        assigned = [one for block in blocks for one in block.body if isinstance(one, statements.Assign)]
        times = Counter(one.target.name for one in assigned)
        for one in assigned:
            if times[one.target.name] > 1:
                given, kept = _type_of(one.value, state), state.typemap[one.target.name]
                if given is not None and types.unliteral(given) != types.unliteral(kept):
                    raise NumbaError(f"{one.target.name!r} is given {given} where it is {kept}", one.loc)
        return done


def _type_of(value: Any, state: Any) -> Any:
    """The type of what is assigned; None where it is not known."""
    if isinstance(value, statements.Var):
        return state.typemap[value.name]
    if isinstance(value, statements.Const):
        return state.typingctx.resolve_value_type(value.value)
    called = state.calltypes.get(value) if isinstance(value, statements.Expr) else None
    if called is None and getattr(value, "op", "") == "static_getitem":
        return state.typemap[value.value.name][value.index]
    return None if called is None else called.return_type


class KernelLower(Lower):
    """Writes instructions without a record of each."""

    def lower_inst(self, inst: Any) -> Any:
        if not isinstance(inst, statements.Assign):
            return super().lower_inst(inst)
        name = inst.target.name
        self.storevar(self.lower_assign(self.typeof(name), inst), name)
        return None


@register_pass(mutates_CFG=True, analysis_only=False)
class WriteInstructions(typed_passes.BaseNativeLowering):
    _name: Any = "symgraph_write_instructions"

    def __init__(self) -> None:
        super().__init__()

    @property
    def lowering_class(self) -> type:
        return KernelLower


class KernelCompiler(compiler.CompilerBase):
    """The passes that kernels need: no rewrites, no closures, no search for lifetimes, no parallel analysis."""

    split = False

    def define_pipelines(self) -> list[Any]:
        manager = PassManager("kernel")
        manager.add_pass(untyped_passes.TranslateByteCode, "read bytecode")
        manager.add_pass(untyped_passes.FixupArgs, "arguments")
        manager.add_pass(TidyBlocks, "blocks")
        if self.split:
            manager.add_pass(untyped_passes.ReconstructSSA, "split names")
        manager.add_pass(FindTypes, "types")
        if self.split:
            manager.add_pass(typed_passes.PreLowerStripPhis, "join names")
        manager.add_pass(WriteInstructions, "instructions")
        manager.add_pass(typed_passes.NoPythonBackend, "result")
        manager.finalize()
        return [manager]


class SplittingCompiler(KernelCompiler):
    """The same for kernels whose names hold numbers of several types: each assignment makes a name of its own."""

    split = True


# -------------------- from text to text

_signatures: dict[Any, Any] = {}


@contextlib.contextmanager
def _remembered(context: Any) -> Iterator[None]:
    """Let Numba search for the signature of a call once for the same types of arguments.

    The search is a third of its time, and made twice for each operator: when types are found and when code is written.
    What the words of the kernel language and the operators on numbers mean does not change while a process runs.
    """
    from numba.core.types import functions

    kind: Any = functions.BaseFunction
    resolve, search = context.resolve_function_type, kind.get_call_type

    def resolve_once(function: Any, arguments: Any, keywords: Any) -> Any:
        if keywords:
            return resolve(function, arguments, keywords)
        key = function, tuple(arguments)
        if key not in _signatures:
            _signatures[key] = resolve(function, arguments, keywords)
        return _signatures[key]

    def search_once(function: Any, where: Any, arguments: Any, keywords: Any) -> Any:
        if keywords or where is not context:
            return search(function, where, arguments, keywords)
        key = "search", function, tuple(arguments)
        if key not in _signatures:
            _signatures[key] = search(function, where, arguments, keywords)
        return _signatures[key]

    context.resolve_function_type, kind.get_call_type = resolve_once, search_once
    try:
        yield
    finally:
        del context.resolve_function_type
        kind.get_call_type = search


def _compiled(function: Any, symbol: str, passes: type) -> tuple[Any, list[str], Any]:
    """Numba's library for a kernel, the LLVM texts of its modules, and what Numba knows about it."""
    typing_context, target = contexts()
    flags: Any = compiler.Flags()
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    library = target.codegen().create_library(symbol)
    texts: list[str] = []
    # Numba would parse, verify and optimise each module as it comes; here the text is kept and handled once.
    library.add_ir_module = lambda module: texts.append(str(relaxed(module)))
    arguments = (types.int64,) * 3
    result = compiler.compile_extra(
        typing_context, target, function, arguments, types.void, flags, {}, library=library, pipeline_class=passes
    )
    return library, texts, result


def typed_text(source: str, name: str, symbol: str) -> tuple[list[str], list[Any]]:
    """LLVM texts of the kernel and of its plain C entry ``symbol(int64, int64, int64)``; libraries it links to."""
    from symgraph.backends.cpu import native_vector  # noqa: F401  (its operators must be known before types are found)
    from symgraph.backends.cpu.language import function_of
    from symgraph.backends.cpu.native import native_namespace

    function = function_of(source, name, native_namespace)
    typing_context, target = contexts()
    typing_context.refresh()
    with global_compiler_lock, _remembered(typing_context):
        try:
            library, texts, result = _compiled(function, symbol, KernelCompiler)
        except NumbaError:  # a name of several types, or an error, which then shows itself again
            library, texts, result = _compiled(function, symbol, SplittingCompiler)
        entry = library.create_ir_module(symbol + "_entry")
        native = ir.Function(entry, ir.FunctionType(ir.VoidType(), [I64] * 3), symbol)
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
