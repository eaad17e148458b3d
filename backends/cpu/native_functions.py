"""The functions of :mod:`.mathematics` as native code.

Each formula of mathematics.py is traced once over :class:`Value` objects, whose operators write LLVM instructions,
into an always-inlined function of the kernel's module.  No fast-math flags are put on those instructions:
error-compensated steps stay as they are written.  A value may be a vector: the same formula then computes all lanes.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import signature

from symgraph.backends.cpu import mathematics
from symgraph.backends.cpu.native import ACCESS_GROUP

__all__ = ["PREFIX", "mathematical_word"]

#: Names of the functions that formulas are traced into start so.
PREFIX = "symgraph.mathematics."

KINDS: dict[str, tuple[ir.Type, Any]] = {
    "float32": (ir.FloatType(), types.float32),
    "float64": (ir.DoubleType(), types.float64),
    "int32": (ir.IntType(32), types.int32),
    "int64": (ir.IntType(64), types.int64),
    "uint32": (ir.IntType(32), types.uint32),
    "uint64": (ir.IntType(64), types.uint64),
    "int8": (ir.IntType(8), types.int8),
    "int16": (ir.IntType(16), types.int16),
    "uint8": (ir.IntType(8), types.uint8),
    "uint16": (ir.IntType(16), types.uint16),
    "bool": (ir.IntType(1), types.boolean),
}


def llvm_type(kind: str, lanes: int = 1) -> ir.Type:
    """The LLVM type of one number of dtype ``kind``, or of a vector of ``lanes`` of them."""
    return KINDS[kind][0] if lanes == 1 else ir.VectorType(KINDS[kind][0], lanes)


class Value:
    """An LLVM value with its dtype, a number or a vector of numbers; Python's operators write instructions."""

    __slots__ = ("builder", "kind", "value")

    def __init__(self, builder: ir.IRBuilder, kind: str, value: ir.Value) -> None:
        self.builder, self.kind, self.value = builder, kind, value

    @property
    def floating(self) -> bool:
        return self.kind.startswith("float")

    @property
    def lanes(self) -> int:
        """How many numbers it holds."""
        return self.value.type.count if isinstance(self.value.type, ir.VectorType) else 1

    def like(self, other: Any) -> ir.Value:
        """``other``, a Value of the same dtype or a Python number, as an LLVM value."""
        if isinstance(other, Value):
            if other.kind != self.kind:
                raise TypeError(f"{self.kind} and {other.kind} in one operation")
            return other.value
        return constant(self.kind, other, self.lanes)

    def _binary(self, other: Any, floating: str, signed: str, unsigned: str = "", swap: bool = False) -> Value:
        name = floating if self.floating else unsigned if unsigned and self.kind.startswith("u") else signed
        pair = (self.value, self.like(other))
        return Value(self.builder, self.kind, getattr(self.builder, name)(*(pair[::-1] if swap else pair)))

    def __add__(self, other: Any) -> Value:
        return self._binary(other, "fadd", "add")

    def __sub__(self, other: Any) -> Value:
        return self._binary(other, "fsub", "sub")

    def __rsub__(self, other: Any) -> Value:
        return self._binary(other, "fsub", "sub", swap=True)

    def __mul__(self, other: Any) -> Value:
        return self._binary(other, "fmul", "mul")

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other: Any) -> Value:
        return self._binary(other, "fdiv", "sdiv", "udiv")

    def __rtruediv__(self, other: Any) -> Value:
        return self._binary(other, "fdiv", "sdiv", "udiv", swap=True)

    def __floordiv__(self, other: Any) -> Value:
        """Of integers that are not negative."""
        return self._binary(other, "fdiv", "udiv")

    def __and__(self, other: Any) -> Value:
        return self._binary(other, "and_", "and_")

    def __or__(self, other: Any) -> Value:
        return self._binary(other, "or_", "or_")

    def __xor__(self, other: Any) -> Value:
        return self._binary(other, "xor", "xor")

    def __lshift__(self, other: Any) -> Value:
        return self._binary(other, "shl", "shl")

    def __rshift__(self, other: Any) -> Value:
        return self._binary(other, "ashr", "ashr", "lshr")

    def __neg__(self) -> Value:
        return Value(
            self.builder, self.kind, self.builder.fneg(self.value) if self.floating else self.builder.neg(self.value)
        )

    def _compare(self, operator: str, other: Any) -> Value:
        right = self.like(other)
        if self.floating:
            compare = self.builder.fcmp_unordered if operator == "!=" else self.builder.fcmp_ordered
        else:
            compare = self.builder.icmp_unsigned if self.kind.startswith("u") else self.builder.icmp_signed
        return Value(self.builder, "bool", compare(operator, self.value, right))

    def __lt__(self, other: Any) -> Value:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Value:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> Value:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> Value:
        return self._compare(">=", other)

    def __eq__(self, other: Any) -> Value:  # type: ignore[override]
        return self._compare("==", other)

    def __ne__(self, other: Any) -> Value:  # type: ignore[override]
        return self._compare("!=", other)

    __hash__ = None  # type: ignore[assignment]


def constant(kind: str, number: Any, lanes: int = 1) -> ir.Constant:
    """An LLVM constant of dtype ``kind``; float32 constants are rounded first, as LLVM demands exact ones."""
    if kind.startswith("float"):
        one = ir.Constant(KINDS[kind][0], float(np.float32(number)) if kind == "float32" else float(number))
    else:
        one = ir.Constant(KINDS[kind][0], int(number))
    return one if lanes == 1 else ir.Constant(llvm_type(kind, lanes), [one] * lanes)


def intrinsic(module: ir.Module, name: str, kind: ir.Type, count: int) -> ir.Function:
    """LLVM's own function ``llvm.<name>`` with ``count`` arguments of the type ``kind``, which it also gives."""
    single = kind.element if isinstance(kind, ir.VectorType) else kind
    form = f"v{kind.count}{single.intrinsic_name}" if isinstance(kind, ir.VectorType) else single.intrinsic_name
    return cgutils.get_or_insert_function(module, ir.FunctionType(kind, [kind] * count), f"llvm.{name}.{form}")


class NativeMachine:
    """The operations that formulas use besides operators; see mathematics.NumpyMachine for what each means."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.builder = builder

    def constant(self, kind: str, number: Any) -> Value:
        return Value(self.builder, kind, constant(kind, number))

    def select(self, condition: Value, a: Any, b: Any) -> Value:
        model = a if isinstance(a, Value) else b
        return Value(self.builder, model.kind, self.builder.select(condition.value, model.like(a), model.like(b)))

    def _llvm(self, name: str, *values: Any) -> Value:
        model = next(value for value in values if isinstance(value, Value))
        function = intrinsic(self.builder.module, name, model.value.type, len(values))
        return Value(self.builder, model.kind, self.builder.call(function, [model.like(value) for value in values]))

    def multiply_add(self, a: Any, b: Any, c: Any) -> Value:
        return self._llvm("fmuladd", a, b, c)

    def fused(self, a: Any, b: Any, c: Any) -> Value:
        return self._llvm("fma", a, b, c)

    def square_root(self, x: Value) -> Value:
        return self._llvm("sqrt", x)

    def absolute(self, x: Value) -> Value:
        return self._llvm("fabs", x)

    def copy_sign(self, magnitude: Value, sign: Value) -> Value:
        return self._llvm("copysign", magnitude, sign)

    def convert(self, kind: str, x: Value) -> Value:
        if x.kind == kind:
            return x
        target, build = llvm_type(kind, x.lanes), self.builder
        width, new_width = _bits(x.kind), _bits(kind)
        unsigned = x.kind.startswith("u") or x.kind == "bool"
        if x.floating and kind.startswith("float"):
            made = build.fpext(x.value, target) if new_width > width else build.fptrunc(x.value, target)
        elif x.floating:
            made = (build.fptoui if kind.startswith("u") else build.fptosi)(x.value, target)
        elif kind.startswith("float"):
            made = (build.uitofp if unsigned else build.sitofp)(x.value, target)
        elif new_width == width:
            made = x.value
        elif new_width < width:
            made = build.trunc(x.value, target)
        else:
            made = (build.zext if unsigned else build.sext)(x.value, target)
        return Value(build, kind, made)

    def reinterpret(self, kind: str, x: Value) -> Value:
        return Value(self.builder, kind, self.builder.bitcast(x.value, llvm_type(kind, x.lanes)))

    def quotient(self, a: Value, b: Value) -> Value:
        return a / b

    def remainder(self, a: Value, b: Value) -> Value:
        name = "frem" if a.floating else "urem" if a.kind.startswith("u") else "srem"
        return Value(self.builder, a.kind, getattr(self.builder, name)(a.value, a.like(b)))

    def rounded(self, direction: str, x: Value) -> Value:
        return self._llvm(direction, x)

    def greater(self, a: Value, b: Value) -> Value:
        return self._extreme(a, b, "maximum", a > b)

    def smaller(self, a: Value, b: Value) -> Value:
        return self._extreme(a, b, "minimum", a < b)

    def _extreme(self, a: Value, b: Value, name: str, first: Value) -> Value:
        if a.floating and llvm.llvm_version_info[0] >= 18:
            # This operation, unlike two selects, is known to LLVM as a reduction, so that its loops become vectors.
            function = intrinsic(self.builder.module, name, a.value.type, 2)
            return Value(self.builder, a.kind, self.builder.call(function, [a.value, a.like(b)], fastmath=("nsz",)))
        chosen = self.select(first, a, b)
        return self.select(a != a, a, chosen) if a.floating else chosen

    def library(self, name: str, *values: Value) -> Value:
        kind = KINDS[values[0].kind][0]
        function = cgutils.get_or_insert_function(
            self.builder.module, ir.FunctionType(kind, [kind] * len(values)), name
        )
        function.attributes.add("nounwind")
        return self._each_lane(values[0].kind, lambda *each: self.builder.call(function, each), *values)

    def _each_lane(self, kind: str, compute: Any, *values: Value) -> Value:
        """What ``compute`` makes of LLVM numbers, for each lane of ``values`` in turn."""
        lanes = values[0].lanes
        if lanes == 1:
            return Value(self.builder, kind, compute(*(value.value for value in values)))
        result = ir.Constant(llvm_type(kind, lanes), ir.Undefined)
        for lane in range(lanes):
            place = ir.Constant(ir.IntType(32), lane)
            one = compute(*(self.builder.extract_element(value.value, place) for value in values))
            result = self.builder.insert_element(result, one, place)
        return Value(self.builder, kind, result)

    def table(self, name: str, numbers: Any, index: Value) -> Value:
        module = self.builder.module
        name = "symgraph.table." + name
        if name not in module.globals:
            kind = ir.ArrayType(ir.DoubleType(), len(numbers))
            variable = ir.GlobalVariable(module, kind, name)
            variable.global_constant, variable.linkage = True, "internal"
            variable.initializer = ir.Constant(kind, [ir.Constant(ir.DoubleType(), float(one)) for one in numbers])

        def read(at: ir.Value) -> ir.Value:
            place = self.builder.gep(module.globals[name], [ir.Constant(ir.IntType(64), 0), at], inbounds=True)
            number = self.builder.load(place)
            for mark in (ACCESS_GROUP, "invariant.load"):  # nobody writes here, which LLVM does not see by itself
                number.set_metadata(mark, module.add_metadata(()))
            return number

        return self._each_lane("float64", read, index)


def _bits(kind: str) -> int:
    return 1 if kind == "bool" else int("".join(c for c in kind if c.isdigit()))


def _traced(module: ir.Module, name: str, function: mathematics.Function) -> ir.Function:
    """The always-inlined function of ``module`` that computes ``function``, traced on first use."""
    symbol = PREFIX + name
    if symbol in module.globals:
        return module.globals[symbol]
    given = [KINDS[kind][0] for kind in function.arguments]
    made = [KINDS[kind][0] for kind in function.results]
    result = made[0] if len(made) == 1 else ir.LiteralStructType(made)
    native = ir.Function(module, ir.FunctionType(result, given), symbol)
    native.linkage = "internal"
    native.attributes.add("alwaysinline")
    builder = ir.IRBuilder(native.append_basic_block())
    values = [Value(builder, kind, value) for kind, value in zip(function.arguments, native.args, strict=True)]
    answer = function.formula(NativeMachine(builder), *values)
    if isinstance(answer, tuple):
        builder.ret(cgutils.pack_struct(builder, [one.value for one in answer]))
    else:
        builder.ret(answer.value)
    return native


def mathematical_word(name: str, function: mathematics.Function) -> Any:
    """The function of mathematics.py ``name`` as a word of the native kernel language."""
    from symgraph.backends.cpu.native import word

    made = [KINDS[kind][1] for kind in function.results]
    result = made[0] if len(made) == 1 else types.UniTuple(made[0], len(made))
    sig = signature(result, *(KINDS[kind][1] for kind in function.arguments))

    def emit(builder: ir.IRBuilder, context: Any, *values: ir.Value) -> ir.Value:
        answer = builder.call(_traced(builder.module, name, function), values)
        if len(made) == 1:
            return answer
        return cgutils.pack_array(
            builder, cgutils.unpack_tuple(builder, answer, len(made)), KINDS[function.results[0]][0]
        )

    return word(len(function.arguments), name)(lambda *given: (sig, emit))
