"""The kernel language in native code: the Numba types and intrinsics behind the words of :mod:`.language`.

Imported only when a kernel has to be compiled: with a warm kernel cache Numba is never loaded.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.extending import lower_builtin, register_model
from numba.core.typing.templates import AbstractTemplate, infer_global, signature

from symgraph.backends.cpu import front
from symgraph.backends.cpu.language import DTYPES

__all__ = ["ACCESS_GROUP", "Pointer", "native_namespace"]

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
F16, F32, F64 = ir.HalfType(), ir.FloatType(), ir.DoubleType()

#: LLVM type in memory, and Numba type of the value once read.
MEMORY = {
    "float16": F16,
    "bfloat16": I16,
    "float32": F32,
    "float64": F64,
    "int8": I8,
    "int16": I16,
    "int32": I32,
    "int64": I64,
    "uint8": I8,
    "uint16": I16,
    "uint32": I32,
    "uint64": I64,
    "bool": I8,
}
VALUE = {
    "float16": types.float32,
    "bfloat16": types.float32,
    "float32": types.float32,
    "float64": types.float64,
    "int8": types.int8,
    "int16": types.int16,
    "int32": types.int32,
    "int64": types.int64,
    "uint8": types.uint8,
    "uint16": types.uint16,
    "uint32": types.uint32,
    "uint64": types.uint64,
    "bool": types.boolean,
}

#: Name of the marker on loads and stores through independent pointers; objects.py turns it into an access group.
ACCESS_GROUP = "symgraph.access"
#: Names of functions whose inner loops are written out as far as it pays start so: LLVM need not unroll them further.
WRITTEN_OUT = "symgraph.microkernel."


class Pointer(types.Type):
    """Numba type of a pointer to elements of ``element`` (a name of :data:`DTYPES`)."""

    def __init__(self, element: str, independent: bool) -> None:
        self.element, self.independent = element, independent
        super().__init__(name=f"Pointer({element}, {independent})")

    @property
    def key(self) -> tuple[str, bool]:
        return self.element, self.independent


@register_model(Pointer)
class PointerModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Pointer) -> None:
        super().__init__(dmm, fe_type, MEMORY[fe_type.element].as_pointer())


@infer_global(operator.getitem)
class _TypeOfElement(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if len(args) == 2 and isinstance(args[0], Pointer) and isinstance(args[1], types.Integer):
            return signature(VALUE[args[0].element], args[0], types.int64)
        return None


@infer_global(operator.setitem)
class _TypeOfStore(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if len(args) == 3 and isinstance(args[0], Pointer) and isinstance(args[1], types.Integer):
            return signature(types.none, args[0], types.int64, VALUE[args[0].element])
        return None


def _bfloat16_to_float32(builder: ir.IRBuilder, bits: ir.Value) -> ir.Value:
    return builder.bitcast(builder.shl(builder.zext(bits, I32), I32(16)), F32)


def _float32_to_bfloat16(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    bits = builder.bitcast(value, I32)
    high = builder.lshr(bits, I32(16))
    rounded = builder.lshr(builder.add(builder.add(bits, I32(0x7FFF)), builder.and_(high, I32(1))), I32(16))
    unordered = builder.fcmp_unordered("uno", value, value)
    return builder.trunc(builder.select(unordered, builder.or_(high, I32(0x40)), rounded), I16)


def _mark(builder: ir.IRBuilder, instruction: ir.Instruction, pointer: Pointer) -> None:
    if pointer.independent:
        instruction.set_metadata(ACCESS_GROUP, builder.module.add_metadata(()))


def _read(builder: ir.IRBuilder, pointer: Pointer, base: ir.Value, index: ir.Value) -> ir.Value:
    raw = builder.load(builder.gep(base, [index], inbounds=True))
    _mark(builder, raw, pointer)
    if pointer.element == "float16":
        return builder.fpext(raw, F32)
    if pointer.element == "bfloat16":
        return _bfloat16_to_float32(builder, raw)
    return builder.icmp_unsigned("!=", raw, I8(0)) if pointer.element == "bool" else raw


def _write(builder: ir.IRBuilder, pointer: Pointer, base: ir.Value, index: ir.Value, value: ir.Value) -> None:
    if pointer.element == "float16":
        value = builder.fptrunc(value, F16)
    elif pointer.element == "bfloat16":
        value = _float32_to_bfloat16(builder, value)
    elif pointer.element == "bool":
        value = builder.zext(value, I8)
    _mark(builder, builder.store(value, builder.gep(base, [index], inbounds=True)), pointer)


@lower_builtin(operator.getitem, Pointer, types.Integer)
def _lower_getitem(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
    return _read(builder, sig.args[0], args[0], args[1])


@lower_builtin(operator.setitem, Pointer, types.Integer, types.Any)
def _lower_setitem(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
    _write(builder, sig.args[0], *args)
    return context.get_dummy_value()


class Word:
    """A name of the kernel language that Numba compiles: the same thing as an ``@intrinsic``, with less to look up.

    ``rule(*types)`` gives ``(signature, emit(builder, context, *values))``, or None where the types do not fit.
    """

    def __init__(self, name: str, arity: int, rule: Callable[..., Any]) -> None:
        self.name, self.arity, self.rule = name, arity, rule
        self.signatures: dict[Any, Any] = {}
        self.implementations: dict[Any, Any] = {}

    def __call__(self, *_arguments: Any) -> Any:
        raise TypeError(f"{self.name} is a word of compiled kernels; run_checked() runs a kernel in plain Python")

    def typed(self, given: tuple[Any, ...]) -> Any:
        """The signature for arguments of the types ``given``, or None."""
        if given not in self.signatures:
            answer = self.rule(*given) if len(given) == self.arity else None
            self.signatures[given] = None if answer is None else answer[0]
            if answer is not None and answer[0].args not in self.implementations:
                self.implementations[answer[0].args] = _implementation(*answer)
        return self.signatures[given]


def _implementation(sig: Any, emit: Callable[..., Any]) -> Callable[..., Any]:
    def implementation(context: Any, builder: ir.IRBuilder, _sig: Any, values: Any) -> Any:
        result = emit(builder, context, *values)
        return context.get_dummy_value() if result is None else result

    front.define(implementation, sig.args, implementation)
    return implementation


def word(arity: int, name: str) -> Callable[[Callable[..., Any]], Word]:
    """Decorate a rule, making it a :class:`Word` that Numba knows."""

    def make(rule: Callable[..., Any]) -> Word:
        made = Word(name, arity, rule)

        class Template(AbstractTemplate):
            key = made

            def generic(self, args: Any, kws: Any) -> Any:
                return None if kws else made.typed(tuple(types.unliteral(one) for one in args))

            def get_impl_key(self, sig: Any) -> Any:
                return made.implementations[sig.args]

        infer_global(made, types.Function(Template))
        return made

    return make


def _address(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type = I64) -> ir.Value:
    return builder.inttoptr(address, kind.as_pointer())


def _pointer_word(dtype: str, independent: bool) -> Any:
    kind = Pointer(dtype, independent)

    def rule(address: Any, size: Any) -> Any:
        return (
            signature(kind, types.int64, types.int64),
            lambda builder, context, place, _size: _address(builder, place, MEMORY[dtype]),
        )

    return word(2, f"{'independent' if independent else 'pointer'}_{dtype}")(rule)


def _integers(result: Any, count: int) -> Any:
    return signature(result, *([types.int64] * count))


def _load_rule(args: Any, k: Any) -> Any:
    return (
        _integers(types.int64, 2),
        lambda builder, context, table, entry: builder.load(
            builder.gep(_address(builder, table), [entry], inbounds=True)
        ),
    )


def _load_float64_rule(args: Any, k: Any) -> Any:
    return (
        _integers(types.float64, 2),
        lambda builder, context, table, entry: builder.load(
            builder.gep(_address(builder, table, F64), [entry], inbounds=True)
        ),
    )


def _shift_rule(pointer: Any, k: Any) -> Any:
    if not isinstance(pointer, Pointer):
        return None
    return (
        signature(pointer, pointer, types.int64),
        lambda builder, context, base, by: builder.gep(base, [by], inbounds=True),
    )


def _share(builder: ir.IRBuilder, n: ir.Value, thread: ir.Value, threads: ir.Value) -> ir.Value:
    # n * thread < 2**63 in every real case; unsigned division needs no fix-up for signs.
    return builder.udiv(builder.mul(n, thread), threads)


def _span_rule(n: Any, thread: Any, threads: Any) -> Any:
    def emit(builder: ir.IRBuilder, context: Any, count: ir.Value, one: ir.Value, all_: ir.Value) -> ir.Value:
        stop = _share(builder, count, builder.add(one, I64(1)), all_)
        return cgutils.pack_array(builder, [_share(builder, count, one, all_), stop], I64)

    return _integers(types.UniTuple(types.int64, 2), 3), emit


def _span_blocks_rule(n: Any, block: Any, thread: Any, threads: Any) -> Any:
    def emit(
        builder: ir.IRBuilder, context: Any, count: ir.Value, size: ir.Value, one: ir.Value, all_: ir.Value
    ) -> Any:
        blocks = builder.udiv(builder.sub(builder.add(count, size), I64(1)), size)
        ends = []
        for index in (one, builder.add(one, I64(1))):
            end = builder.mul(_share(builder, blocks, index, all_), size)
            ends.append(builder.select(builder.icmp_signed("<", count, end), count, end))
        return cgutils.pack_array(builder, ends, I64)

    return _integers(types.UniTuple(types.int64, 2), 4), emit


def _common(a: Any, b: Any) -> Any:
    return (
        a
        if a == b
        else types.float64
        if types.float64 in (a, b)
        else max(a, b, key=lambda t: getattr(t, "bitwidth", 64))
    )


def _select_rule(condition: Any, a: Any, b: Any) -> Any:
    kind = _common(a, b)
    return (
        signature(kind, types.boolean, kind, kind),
        lambda builder, context, c, x, y: builder.select(
            context.get_value_as_data(builder, types.boolean, c) if c.type != I1 else c, x, y
        ),
    )


def _accumulating_rule(operation: str) -> Callable[[Any, Any], Any]:
    """A sum or product whose terms may be taken in any order, so that loops of them become vector instructions."""

    def rule(total: Any, term: Any) -> Any:
        kind = _common(total, term)
        return (
            signature(kind, kind, kind),
            lambda builder, context, x, y: getattr(builder, operation)(x, y, flags=("reassoc", "nsz", "contract")),
        )

    return rule


def _round_float16_rule(x: Any) -> Any:
    return (
        signature(types.float32, types.float32),
        lambda builder, context, value: builder.fpext(builder.fptrunc(value, F16), F32),
    )


def _round_bfloat16_rule(x: Any) -> Any:
    return (
        signature(types.float32, types.float32),
        lambda builder, context, value: _bfloat16_to_float32(builder, _float32_to_bfloat16(builder, value)),
    )


# Words of the thread pool only: atomics, waiting, indirect calls.


def _store_rule(address: Any, k: Any, value: Any) -> Any:
    def emit(builder: ir.IRBuilder, context: Any, table: ir.Value, entry: ir.Value, new: ir.Value) -> None:
        builder.store(new, builder.gep(_address(builder, table), [entry], inbounds=True))

    return _integers(types.void, 3), emit


def _atomic_load_rule(address: Any) -> Any:
    return (
        _integers(types.int64, 1),
        lambda builder, context, place: builder.load_atomic(_address(builder, place), "seq_cst", 8),
    )


def _atomic_store_rule(address: Any, value: Any) -> Any:
    def emit(builder: ir.IRBuilder, context: Any, place: ir.Value, new: ir.Value) -> None:
        builder.store_atomic(new, _address(builder, place), "seq_cst", 8)

    return _integers(types.void, 2), emit


def _atomic_rule(operation: str) -> Callable[..., Any]:
    return lambda address, value: (
        _integers(types.int64, 2),
        lambda builder, context, place, new: builder.atomic_rmw(operation, _address(builder, place), new, "seq_cst"),
    )


def _atomic_replace_rule(address: Any, old: Any, new: Any) -> Any:
    """1 if the number at an address was ``old`` and is ``new`` now, else 0."""

    def emit(builder: ir.IRBuilder, context: Any, place: ir.Value, was: ir.Value, becomes: ir.Value) -> ir.Value:
        pair = builder.cmpxchg(_address(builder, place), was, becomes, "seq_cst", "seq_cst")
        return builder.zext(builder.extract_value(pair, 1), I64)

    return _integers(types.int64, 3), emit


def _call_kernel_rule(address: Any, thread: Any, threads: Any, args: Any) -> Any:
    def emit(builder: ir.IRBuilder, context: Any, place: ir.Value, *given: ir.Value) -> None:
        kind = ir.FunctionType(ir.VoidType(), [I64, I64, I64])
        builder.call(builder.inttoptr(place, kind.as_pointer()), given)

    return _integers(types.void, 4), emit


def _relax_rule() -> Any:
    """Tell the processor that this is a waiting loop."""

    def emit(builder: ir.IRBuilder, context: Any) -> None:
        triple = builder.module.triple
        if triple.startswith(("x86", "i386", "i686", "amd64")):
            kind, name, values = ir.FunctionType(ir.VoidType(), []), "llvm.x86.sse2.pause", []
        elif triple.startswith(("aarch64", "arm64")):
            kind, name, values = ir.FunctionType(ir.VoidType(), [I32]), "llvm.aarch64.hint", [I32(1)]  # "yield"
        else:
            return
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)

    return signature(types.void), emit


#: The bits of a thread's floating-point state that make denormal numbers 0 where they are read or would be made.
_FLUSHING = {"x86": 0x8040, "arm": 1 << 24}


def _floating_state(builder: ir.IRBuilder, new: Callable[[ir.Value, int], ir.Value]) -> ir.Value:
    """Set this thread's floating-point state to ``new(state, bits that flush denormals)``; returns the one before."""
    triple, module = builder.module.triple, builder.module
    if triple.startswith(("x86", "i386", "i686", "amd64")):
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])
        slot = cgutils.alloca_once(builder, I32)
        place = builder.bitcast(slot, kind.args[0])
        builder.call(cgutils.get_or_insert_function(module, kind, "llvm.x86.sse.stmxcsr"), [place])
        before = builder.zext(builder.load(slot), I64)
        builder.store(builder.trunc(new(before, _FLUSHING["x86"]), I32), slot)
        builder.call(cgutils.get_or_insert_function(module, kind, "llvm.x86.sse.ldmxcsr"), [place])
        return before
    if triple.startswith(("aarch64", "arm64")):
        read, write = ir.FunctionType(I64, []), ir.FunctionType(ir.VoidType(), [I64])
        before = builder.call(cgutils.get_or_insert_function(module, read, "llvm.aarch64.get.fpcr"), [])
        value = new(before, _FLUSHING["arm"])
        builder.call(cgutils.get_or_insert_function(module, write, "llvm.aarch64.set.fpcr"), [value])
        return before
    return I64(0)


def _set_denormals_rule(kept: Any) -> Any:
    """From here on denormal numbers count on this thread if ``kept`` is 1, else are 0; gives the state before."""

    def emit(builder: ir.IRBuilder, context: Any, kept: ir.Value) -> ir.Value:
        def new(state: ir.Value, bits: int) -> ir.Value:
            keeps = builder.icmp_signed("!=", kept, I64(0))
            return builder.select(keeps, builder.and_(state, I64(~bits)), builder.or_(state, I64(bits)))

        return _floating_state(builder, new)

    return _integers(types.int64, 1), emit


def _restore_denormals_rule(before: Any) -> Any:
    def emit(builder: ir.IRBuilder, context: Any, state: ir.Value) -> None:
        _floating_state(builder, lambda *_: state)

    return _integers(types.void, 1), emit


def external(name: str, arity: int) -> Any:
    """A word ``system_<name>`` that calls the C function ``symgraph_<name>``: int64 arguments and result."""

    def rule(*given: Any) -> Any:
        def emit(builder: ir.IRBuilder, context: Any, *values: ir.Value) -> ir.Value:
            kind = ir.FunctionType(I64, [I64] * arity)
            outside = name.replace("system_", "symgraph_", 1)
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, outside), values)

        return _integers(types.int64, arity), emit

    return word(arity, name)(rule)


_RULES: dict[str, tuple[int, Callable[..., Any]]] = {
    "load": (2, _load_rule),
    "load_float64": (2, _load_float64_rule),
    "shift": (2, _shift_rule),
    "span": (3, _span_rule),
    "span_blocks": (4, _span_blocks_rule),
    "select": (3, _select_rule),
    "accumulate": (2, _accumulating_rule("fadd")),
    "accumulate_product": (2, _accumulating_rule("fmul")),
    "round_float16": (1, _round_float16_rule),
    "round_bfloat16": (1, _round_bfloat16_rule),
    "store": (3, _store_rule),
    "atomic_load": (1, _atomic_load_rule),
    "atomic_store": (2, _atomic_store_rule),
    "atomic_add": (2, _atomic_rule("add")),
    "atomic_exchange": (2, _atomic_rule("xchg")),
    "atomic_replace": (3, _atomic_replace_rule),
    "call_kernel": (4, _call_kernel_rule),
    "relax": (0, _relax_rule),
    "set_denormals": (1, _set_denormals_rule),
    "restore_denormals": (1, _restore_denormals_rule),
}
_SYSTEM = {"system_wait": 2, "system_post": 3, "system_yield": 0, "system_sleep": 1}
_made: dict[str, Any] = {}


def _make(name: str) -> Any:
    """The word ``name`` as Numba sees it; None where the language has no such word."""
    from symgraph.backends.cpu import mathematics, native_functions

    kind, _, dtype = name.partition("_")
    if kind in ("pointer", "independent") and dtype in DTYPES:
        return _pointer_word(dtype, kind == "independent")
    if name in _RULES:
        arity, rule = _RULES[name]
        return word(arity, name)(rule)
    if name in mathematics.FUNCTIONS:
        return native_functions.mathematical_word(name, mathematics.FUNCTIONS[name])
    if name in _SYSTEM:
        return external(name, _SYSTEM[name])
    if name in VALUE and name not in ("float16", "bfloat16", "bool"):
        return VALUE[name]
    if name == "bool_":
        return types.boolean
    from symgraph.backends.cpu import native_vector

    return native_vector.make(name)


def native_namespace(names: set[str]) -> dict[str, Any]:
    """The globals of a kernel that uses ``names``: those that are words of the language, as Numba words and types."""
    from symgraph.backends.cpu import blas

    prefixes = ("gemm_", "gemv_", "blas_", "library_")
    products = blas.native_words() if any(name.startswith(prefixes) for name in names) else {}
    found = {}
    for name in names:
        if name not in _made:
            _made[name] = _make(name)
        value = products.get(name, _made[name])
        if value is not None:
            found[name] = value
    return found
