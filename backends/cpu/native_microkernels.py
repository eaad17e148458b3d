"""The words of :mod:`.microkernels` in native code: LLVM instructions with explicit vectors.

Written with LLVM's builder instead of in the kernel language, because Numba's front end would need longer for one of
these loops than for all the rest of a kernel.  Each word is one internal function of the kernel's module.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import signature

from symgraph.backends.cpu.microkernels import (
    ARGUMENTS,
    BIAS,
    RELU,
    TRANSFORMATIONS,
    Formula,
    Registers,
    both_axes,
    registers,
)
from symgraph.backends.cpu.native import F32, I32, I64, WRITTEN_OUT, Pointer, word

__all__ = ["microkernel_word", "write"]

FLOATS = F32.as_pointer()
VOID = ir.VoidType()
#: Rows of a block that are addressed from one moving pointer: at 0, 1 and 2 times the length of a row.
GROUP = 3


class Lanes:
    """A vector of float32; Python's operators write instructions. Products and sums may become one instruction."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder, self.value = builder, value

    def _binary(self, name: str, other: Any) -> Lanes:
        value = other.value if isinstance(other, Lanes) else splat_constant(self.value.type, other)
        return Lanes(self.builder, getattr(self.builder, name)(self.value, value, flags=("contract",)))

    def __add__(self, other: Any) -> Lanes:
        return self._binary("fadd", other)

    def __sub__(self, other: Any) -> Lanes:
        return self._binary("fsub", other)

    def __mul__(self, other: Any) -> Lanes:
        return self._binary("fmul", other)

    __rmul__ = __mul__


def splat_constant(kind: ir.VectorType, number: float) -> ir.Constant:
    """A vector of one number, rounded to float32."""
    return ir.Constant(kind, [ir.Constant(F32, float(np.float32(number)))] * kind.count)


class Writer:
    """Writes one function of a module: vectors at pointers, loops, variables."""

    def __init__(self, function: ir.Function, use: Registers) -> None:
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.module, self.use = function.module, use
        self.vector = ir.VectorType(F32, use.lanes)
        self.zero = splat_constant(self.vector, 0.0)

    def at(self, pointer: ir.Value, index: ir.Value) -> ir.Value:
        return self.builder.gep(pointer, [index], inbounds=True)

    def _vector_at(self, pointer: ir.Value) -> ir.Value:
        return self.builder.bitcast(pointer, self.vector.as_pointer())

    def _declare(self, name: str, result: ir.Type, *given: ir.Type) -> ir.Function:
        return cgutils.get_or_insert_function(self.module, ir.FunctionType(result, given), name)

    def load(self, pointer: ir.Value, mask: ir.Value | None = None) -> ir.Value:
        """The vector at a pointer; where the mask is false nothing is read."""
        place = self._vector_at(pointer)
        if mask is None:
            return self.builder.load(place, align=4)
        name = f"llvm.masked.load.v{self.use.lanes}f32.p0"
        function = self._declare(name, self.vector, place.type, I32, mask.type, self.vector)
        return self.builder.call(function, [place, I32(4), mask, self.zero])

    def store(self, value: ir.Value, pointer: ir.Value, mask: ir.Value | None = None) -> None:
        """Write a vector; where the mask is false nothing is written."""
        place = self._vector_at(pointer)
        if mask is None:
            self.builder.store(value, place, align=4)
            return
        name = f"llvm.masked.store.v{self.use.lanes}f32.p0"
        function = self._declare(name, VOID, self.vector, place.type, I32, mask.type)
        self.builder.call(function, [value, place, I32(4), mask])

    def splat(self, number: ir.Value) -> ir.Value:
        first = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), number, I32(0))
        places = ir.Constant(ir.VectorType(I32, self.use.lanes), [I32(0)] * self.use.lanes)
        return self.builder.shuffle_vector(first, ir.Constant(self.vector, ir.Undefined), places)

    def multiply_add(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        function = self._declare(f"llvm.fmuladd.v{self.use.lanes}f32", self.vector, *[self.vector] * 3)
        return self.builder.call(function, [a, b, c])

    def without_negatives(self, value: ir.Value) -> ir.Value:
        """Zeros for negative numbers; a NaN stays."""
        return self.builder.select(self.builder.fcmp_ordered("<", value, self.zero), self.zero, value)

    def mask(self, count: ir.Value) -> ir.Value:
        """True for the first `count` places of a vector."""
        kind = ir.VectorType(I32, self.use.lanes)
        numbers = ir.Constant(kind, [I32(k) for k in range(self.use.lanes)])
        first = self.builder.insert_element(ir.Constant(kind, ir.Undefined), self.builder.trunc(count, I32), I32(0))
        every = self.builder.shuffle_vector(
            first, ir.Constant(kind, ir.Undefined), ir.Constant(kind, [I32(0)] * self.use.lanes)
        )
        return self.builder.icmp_signed("<", numbers, every)

    def smaller(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def larger(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.select(self.builder.icmp_signed(">", a, b), a, b)

    def has(self, flags: ir.Value, flag: int) -> ir.Value:
        return self.builder.icmp_signed("!=", self.builder.and_(flags, I64(flag)), I64(0))

    def places(self, size: int, line: ir.Value, step: ir.Value) -> Iterator[tuple[ir.Value, ir.Value]]:
        """A loop over the elements of a tile: the number of the element, and where it lies."""
        builder = self.builder
        with cgutils.for_range(builder, I64(size)) as i, cgutils.for_range(builder, I64(size)) as j:
            number = builder.add(builder.mul(i.index, I64(size)), j.index)
            yield number, builder.add(builder.mul(i.index, line), builder.mul(j.index, step))

    def variable(self, value: ir.Value) -> ir.Value:
        """A place on the stack (LLVM makes a register of it) that holds a value."""
        place = cgutils.alloca_once(self.builder, value.type)
        self.builder.store(value, place)
        return place

    def advance(self, place: ir.Value, by: ir.Value) -> None:
        """Move a pointer that is kept in a variable."""
        self.builder.store(self.at(self.builder.load(place), by), place)


# -------------------- transformations


def _write_transformation(function: ir.Function, use: Registers, formula: Formula, size: int, result: int) -> None:
    """A vector of channels at a time; the last, if it is not whole, goes through copies on the stack."""
    w = Writer(function, use)
    builder, lanes = w.builder, I64(use.lanes)
    source, line, step, target, target_line, target_step, count, bias, flags = function.args
    copies = [
        builder.bitcast(cgutils.alloca_once(builder, ir.ArrayType(F32, n * n * use.lanes)), FLOATS)
        for n in (size, result)
    ]
    vectors = builder.sdiv(builder.add(count, I64(use.lanes - 1)), lanes)
    with cgutils.for_range(builder, vectors) as loop:
        first = builder.mul(loop.index, lanes)
        left = builder.sub(count, first)
        whole = builder.icmp_signed(">=", left, lanes)
        from_here, to_here, bias_here = (w.at(pointer, first) for pointer in (source, target, bias))
        mask = w.mask(left)
        with builder.if_then(builder.not_(whole), likely=False):
            for number, place in w.places(size, line, step):
                w.store(w.load(w.at(from_here, place), mask), w.at(copies[0], builder.mul(number, lanes)))
        reading = builder.select(whole, from_here, copies[0])
        strides = [builder.select(whole, line, I64(size * use.lanes)), builder.select(whole, step, lanes)]
        tile = [
            [Lanes(builder, w.load(w.at(reading, _place(builder, strides, i, j)))) for j in range(size)]
            for i in range(size)
        ]
        made = both_axes(formula, tile, result)
        writing = builder.select(whole, to_here, copies[1])
        strides = [builder.select(whole, target_line, I64(result * use.lanes)),
                   builder.select(whole, target_step, lanes)]  # fmt: skip
        if formula is TRANSFORMATIONS["winograd_result"][0]:
            _write_finished(w, made, bias_here, builder.select(whole, w.mask(lanes), mask), flags)
        for i, values in enumerate(made):
            for j, value in enumerate(values):
                w.store(value.value, w.at(writing, _place(builder, strides, i, j)))
        with builder.if_then(builder.not_(whole), likely=False):
            for number, place in w.places(result, target_line, target_step):
                w.store(w.load(w.at(copies[1], builder.mul(number, lanes))), w.at(to_here, place), mask)
    builder.ret_void()


def _place(builder: ir.IRBuilder, strides: Sequence[ir.Value], i: int, j: int) -> ir.Value:
    return builder.add(builder.mul(strides[0], I64(i)), builder.mul(strides[1], I64(j)))


def _write_finished(w: Writer, made: list[list[Lanes]], bias: ir.Value, mask: ir.Value, flags: ir.Value) -> None:
    """Add the bias to results, and take the negative ones away, where flags say so; no branches, as results wait."""
    builder = w.builder
    empty = builder.select(
        w.has(flags, BIAS), mask, ir.Constant(mask.type, [ir.Constant(ir.IntType(1), 0)] * w.use.lanes)
    )
    added = w.load(bias, empty)
    lowest = builder.select(w.has(flags, RELU), w.zero, splat_constant(w.vector, -np.inf))
    for row in made:
        for k, value in enumerate(row):
            total = builder.fadd(value.value, added)
            row[k] = Lanes(builder, builder.select(builder.fcmp_ordered("<", total, lowest), lowest, total))


# -------------------- the words

def write(module: ir.Module, name: str, use: Registers) -> ir.Function:
    """The function of `module` that does what the word `name` says, written on first use."""
    symbol = WRITTEN_OUT + name
    if symbol in module.globals:
        return module.globals[symbol]
    kinds = [FLOATS if letter == "p" else I64 for letter in ARGUMENTS[name]]
    function = ir.Function(module, ir.FunctionType(VOID, kinds), symbol)
    function.linkage = "internal"
    _write_transformation(function, use, *TRANSFORMATIONS[name])
    return function


def microkernel_word(name: str) -> Any:
    """The word `name` of microkernels.py as a word of the native kernel language; None where there is none."""
    if name not in ARGUMENTS:
        return None

    def rule(*given: Any) -> Any:
        expected = []
        for letter, kind in zip(ARGUMENTS[name], given, strict=True):
            if letter == "p" and not (isinstance(kind, Pointer) and kind.element == "float32"):
                return None
            expected.append(kind if letter == "p" else types.int64)

        def emit(builder: ir.IRBuilder, context: Any, *values: ir.Value) -> None:
            builder.call(write(builder.module, name, registers()), values)

        return signature(types.void, *expected), emit

    return word(len(ARGUMENTS[name]), name)(rule)
