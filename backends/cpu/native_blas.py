"""The words of :mod:`.blas` in native code: calls of the library's C or Fortran interface."""

from __future__ import annotations

import functools
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import signature

from symgraph.backends.cpu import product
from symgraph.backends.cpu.blas import _PLAIN, _ROW_MAJOR, _TRANSPOSED, Library, outside_name
from symgraph.backends.cpu.microkernels import panel_width
from symgraph.backends.cpu.native import F32, F64, I8, I32, I64, Pointer, word

__all__ = ["words"]


class _Caller:
    """Writes calls of one library's routines."""

    def __init__(self, library: Library, real: ir.Type) -> None:
        self.library, self.real = library, real
        self.integer = I64 if library.bits == 64 else I32
        self.letter = "s" if real is F32 else "d"

    def size(self, builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
        return value if self.integer is I64 else builder.trunc(value, I32)

    def row_length(self, builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
        """At least 1: the library refuses a row length of 0, which empty matrices have."""
        return self.size(builder, builder.select(builder.icmp_signed("<", value, I64(1)), I64(1), value))

    def call(self, builder: ir.IRBuilder, routine: str, values: list[ir.Value]) -> None:
        """Call ``routine``; for the Fortran interface every value goes by address."""
        if self.library.interface == "fortran":
            values = [one if isinstance(one.type, ir.PointerType) else self._stored(builder, one) for one in values]
        kind = ir.FunctionType(ir.VoidType(), [one.type for one in values])
        name = outside_name(self.library, self.letter + routine)
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)

    @staticmethod
    def _stored(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
        place = cgutils.alloca_once(builder, value.type)
        builder.store(value, place)
        return place

    def turned(self, builder: ir.IRBuilder, flag: ir.Value) -> ir.Value:
        """The library's mark for a transposed operand."""
        if self.library.interface == "fortran":
            return builder.select(flag, I8(ord("T")), I8(ord("N")))
        return builder.select(flag, I32(_TRANSPOSED), I32(_PLAIN))

    def gemm(
        self,
        builder: ir.IRBuilder,
        context: Any,
        turn_a: Any,
        turn_b: Any,
        m: Any,
        n: Any,
        k: Any,
        alpha: Any,
        a: Any,
        lda: Any,
        b: Any,
        ldb: Any,
        beta: Any,
        c: Any,
        ldc: Any,
    ) -> None:
        m, n, k = (self.size(builder, one) for one in (m, n, k))
        lda, ldb, ldc = (self.row_length(builder, one) for one in (lda, ldb, ldc))
        turn_a, turn_b = self.turned(builder, turn_a), self.turned(builder, turn_b)
        if self.library.interface == "fortran":  # column-major: the transposed product, operands exchanged
            self.call(builder, "gemm", [turn_b, turn_a, n, m, k, alpha, b, ldb, a, lda, beta, c, ldc])
        else:
            self.call(builder, "gemm", [I32(_ROW_MAJOR), turn_a, turn_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc])

    def gemv(
        self,
        builder: ir.IRBuilder,
        context: Any,
        turn: Any,
        m: Any,
        n: Any,
        alpha: Any,
        a: Any,
        lda: Any,
        x: Any,
        stride_x: Any,
        beta: Any,
        y: Any,
        stride_y: Any,
    ) -> None:
        m, n, stride_x, stride_y = (self.size(builder, one) for one in (m, n, stride_x, stride_y))
        lda = self.row_length(builder, lda)
        if self.library.interface == "fortran":
            self.call(
                builder,
                "gemv",
                [self.turned(builder, builder.not_(turn)), n, m, alpha, a, lda, x, stride_x, beta, y, stride_y],
            )
        else:
            self.call(
                builder,
                "gemv",
                [I32(_ROW_MAJOR), self.turned(builder, turn), m, n, alpha, a, lda, x, stride_x, beta, y, stride_y],
            )


def _rule(dtype: str, letters: str, emit: Any) -> Any:
    """A typing rule: ``t`` a truth value, ``i`` an integer, ``r`` a real number, ``p`` a pointer to ``dtype``."""
    real = types.float32 if dtype == "float32" else types.float64
    plain = {"t": types.boolean, "i": types.int64, "r": real}

    def rule(*given: Any) -> Any:
        expected = []
        for letter, kind in zip(letters, given, strict=True):
            if letter == "p" and not (isinstance(kind, Pointer) and kind.element == dtype):
                return None
            expected.append(kind if letter == "p" else plain[letter])
        return signature(types.void, *expected), emit

    return rule


def _call_product(builder: ir.IRBuilder, context: Any, *values: ir.Value) -> None:
    """Call the function of product.py with the arguments in a table on the stack; floats go as float64."""
    table = cgutils.alloca_once(builder, ir.ArrayType(I64, len(values)))
    for k, value in enumerate(values):
        if isinstance(value.type, ir.PointerType):
            value = builder.ptrtoint(value, I64)
        elif value.type is F32:
            value = builder.bitcast(builder.fpext(value, F64), I64)
        elif value.type.width < 64:
            value = builder.zext(value, I64)
        builder.store(value, builder.gep(table, [I64(0), I64(k)], inbounds=True))
    kind = ir.FunctionType(ir.VoidType(), [I64] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, product.NAME)
    builder.call(function, [I64(0), I64(1), builder.ptrtoint(table, I64)])


def _call_product_of_panels(
    builder: ir.IRBuilder, context: Any, m: Any, n: Any, k: Any, a: Any, lda: Any, b: Any, c: Any, ldc: Any
) -> None:
    """The same with a right matrix in panels: its rows are as long as a panel is wide."""
    line, one, zero = I64(panel_width()), F32(1), F32(0)
    _call_product(builder, context, I64(0), I64(product.IN_PANELS), m, n, k, one, a, lda, b, line, zero, c, ldc)


@functools.cache
def words(library: Library) -> dict[str, Any]:
    """Intrinsics for the matrix products, and for the library's thread setting where it has one."""
    found = {}
    for dtype, real in (("float32", F32), ("float64", F64)):
        caller = _Caller(library, real)
        name = "library_gemm_float32" if dtype == "float32" else "gemm_float64"
        found[name] = word(13, name)(_rule(dtype, "ttiiirpipirpi", caller.gemm))
        found["gemv_" + dtype] = word(11, "gemv_" + dtype)(_rule(dtype, "tiirpipirpi", caller.gemv))
    found["gemm_float32"] = word(13, "gemm_float32")(_rule("float32", "ttiiirpipirpi", _call_product))
    found["gemm_panels_float32"] = word(8, "gemm_panels_float32")(_rule("float32", "iiipippi", _call_product_of_panels))
    if library.set_threads:

        def get(builder: ir.IRBuilder, context: Any) -> ir.Value:
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(I32, []), outside_name(library, "get_threads")
            )
            return builder.sext(builder.call(function, []), I64)

        def put(builder: ir.IRBuilder, context: Any, number: ir.Value) -> None:
            kind = ir.FunctionType(ir.VoidType(), [I32])
            function = cgutils.get_or_insert_function(builder.module, kind, outside_name(library, "set_threads"))
            builder.call(function, [builder.trunc(number, I32)])

        found["blas_get_threads"] = word(0, "blas_get_threads")(lambda: (signature(types.int64), get))
        found["blas_set_threads"] = word(1, "blas_set_threads")(lambda n: (signature(types.void, types.int64), put))
    return found
