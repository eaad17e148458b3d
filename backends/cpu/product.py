"""Matrix products of float32 numbers by microkernels.

The word ``gemm_float32`` of the kernel language calls one function, compiled once for all kernels: the kernel text
below.  It takes the way that is fastest for the sizes at hand (``python benchmarks/products.py`` compares with the
library; benchmarks/results/products.md has its output):

- *blocks*: a panel of columns of the right matrix is packed into fast memory, and all rows of a block of the left one
  go over it (``multiply_windows`` of microkernels.py); transposed operands are exchanged while they are packed.
- *panels*: the same with a right matrix that lies in panels of columns already, for those who use it many times
  (``gemm_panels_float32``; `panel` columns each, all rows of one before the next).
- *streams*, one row times a matrix: limited by memory, so the matrix is read once, in the order it lies in - some rows
  at a time (``add_rows_times``) or, transposed, as dot products (``dot_rows``).  One column is the same thing turned.
  Numbers are added up in the order of the blocks, so that it does not matter how threads share a product.
- the *library*, for factors other than 0 and 1, and for a few rows times a matrix that no cache holds.
"""

from __future__ import annotations

import re
from typing import Any

from symgraph.backends.cpu.microkernels import ADD, panel_width, strip_rows
from symgraph.backends.cpu.vector import host, microkernel

__all__ = ["IN_PANELS", "NAME", "is_used_by", "kernel"]

#: The outside function that kernels call for ``gemm_float32``: its arguments are those of the word, in a table.
NAME = "symgraph_product_float32"
#: What stands in its table in the place of ``turned_b`` where the right matrix lies in panels.
IN_PANELS = 2
#: Rows of the right matrix that are packed at a time, and rows of the left one: with a panel of a few vectors in the
#: first level of the cache, and a block of the left matrix in the second.
DEPTH, ROWS = 320, 144
#: Between transposed rows, so that they do not all fall on the same lines of the cache.
LINE = DEPTH + 16
_ROW_BLOCK = 8
_DOTS = 4
_PANELS = 4


@microkernel("pointer_float32", "int64", "int64", "int64", "pointer_float32", "int64")
def copy_panels(m: Any, source: Any, line: Any, rows: Any, columns: Any, target: Any, size: Any) -> None:
    """Row by row into panels of two vectors, ``size`` numbers each; what a last panel has too many is 0."""
    lanes = m.lanes("float32")
    width = 2 * lanes
    whole = m.integer(columns) // width
    left = columns - whole * width

    def row(r: Any) -> None:
        def panel(p: Any) -> None:
            for v in (0, lanes):
                m.store(target, p * size + r * width + v, m.load(source, r * line + p * width + v))

        def part(_p: Any) -> None:
            for v in (0, lanes):
                value = m.load(source, r * line + whole * width + v, left - v)
                m.store(target, whole * size + r * width + v, value)

        m.repeat(whole, panel)
        m.repeat(left > 0, part)

    m.repeat(rows, row)


@microkernel("pointer_float32", "int64", "int64", "int64", "pointer_float32", "int64")
def transpose_block(m: Any, source: Any, line: Any, rows: Any, columns: Any, target: Any, target_line: Any) -> None:
    """``target[c, r] = source[r, c]``: squares in registers, what is left number by number."""
    lanes = m.lanes("float32")
    squares_down, squares_across = m.integer(rows) // lanes, m.integer(columns) // lanes

    def band(i: Any) -> None:
        def square(j: Any) -> None:
            here = m.shift(source, i * lanes * line + j * lanes)
            there = m.shift(target, j * lanes * target_line + i * lanes)
            for k, row in enumerate(m.transposed([m.load(here, line * k) for k in range(lanes)])):
                m.store(there, target_line * k, row)

        m.repeat(squares_across, square)

    def numbers(first_row: Any, row_count: Any, first_column: Any, column_count: Any) -> None:
        def line_of(i: Any) -> None:
            def number(j: Any) -> None:
                r, c = first_row + i, first_column + j
                m.put(target, c * target_line + r, m.element(source, r * line + c))

            m.repeat(column_count, number)

        m.repeat(row_count, line_of)

    m.repeat(squares_down, band)
    done_down, done_across = squares_down * lanes, squares_across * lanes
    numbers(m.integer(0), done_down, done_across, columns - done_across)
    numbers(done_down, rows - done_down, m.integer(0), columns)


@microkernel("pointer_float32", "int64", "pointer_float32", "int64", "int64", "int64", "pointer_float32")
def add_rows_times(m: Any, x: Any, step: Any, w: Any, line: Any, rows: Any, columns: Any, y: Any) -> None:
    """``y[c] += sum over r of x[r * step] * w[r, c]``: some rows at a time, each read from left to right."""
    lanes = m.lanes("float32")

    def together(first: Any, count: int) -> None:
        factors = [m.repeated(x, (first + k) * step) for k in range(count)]
        here = [m.shift(w, (first + k) * line) for k in range(count)]

        def at(place: Any, limit: Any = None) -> None:
            total = m.load(y, place, limit)
            for factor, row in zip(factors, here, strict=True):
                total = m.multiply_add(factor, m.load(row, place, limit), total)
            m.store(y, place, total, limit)

        whole = m.integer(columns) // lanes
        m.repeat(whole, lambda v: at(v * lanes))
        m.repeat(m.integer(columns) - whole * lanes > 0, lambda v: at(whole * lanes, columns - whole * lanes))

    blocks = m.integer(rows) // _ROW_BLOCK
    m.repeat(blocks, lambda b: together(b * _ROW_BLOCK, _ROW_BLOCK))
    m.repeat(rows - blocks * _ROW_BLOCK, lambda r: together(blocks * _ROW_BLOCK + r, 1))


@microkernel("pointer_float32", "pointer_float32", "int64", "int64", "pointer_float32", "int64")
def row_times_panels(m: Any, x: Any, b: Any, size: Any, depth: Any, c: Any, add: Any) -> None:
    """One row times some panels of ``size`` numbers at once, in the order of sums of ``multiply_windows``.

    One panel would not do: each of its few sums waits for the step before.
    """
    lanes = m.lanes("float32")
    places = [(p, v) for p in range(_PANELS) for v in (0, lanes)]

    def step(d: Any, right: Any, *totals: Any) -> tuple[Any, ...]:
        factor = m.repeated(x, d)
        new = [
            m.multiply_add(factor, m.load(right, size * p + v), total)
            for (p, v), total in zip(places, totals, strict=True)
        ]
        return m.shift(right, 2 * lanes), *new

    totals = m.repeat(depth, step, b, *[m.zero("float32")] * len(places))[1:]

    def put(adding: bool) -> None:
        for (p, v), total in zip(places, totals, strict=True):
            place = 2 * lanes * p + v
            m.store(c, place, m.load(c, place) + total if adding else total)

    m.either(add == 1, lambda: put(True), lambda: put(False))


@microkernel("pointer_float32", "pointer_float32", "int64", "int64", "int64", "pointer_float32", "int64", "int64")
def dot_rows(m: Any, x: Any, w: Any, line: Any, rows: Any, columns: Any, y: Any, step: Any, add: Any) -> None:
    """``y[r * step] = sum over c of x[c] * w[r, c]``, plus what is there if ``add`` is 1."""
    lanes = m.lanes("float32")
    unrolled = 2

    def together(first: Any, count: int) -> None:
        here = [m.shift(w, (first + k) * line) for k in range(count)]

        def at(place: Any, totals: tuple[Any, ...], limit: Any = None) -> tuple[Any, ...]:
            factor = m.load(x, place, limit)
            return tuple(
                m.multiply_add(factor, m.load(row, place, limit), total)
                for row, total in zip(here, totals, strict=True)
            )

        def several(v: Any, *totals: Any) -> tuple[Any, ...]:
            parts = [at((v * unrolled + u) * lanes, totals[u * count : (u + 1) * count]) for u in range(unrolled)]
            return tuple(total for part in parts for total in part)

        steps = m.integer(columns) // (lanes * unrolled)
        totals = m.repeat(steps, several, *[m.zero("float32")] * (unrolled * count))
        totals = tuple(a + b for a, b in zip(totals[:count], totals[count:], strict=True))
        done = steps * (lanes * unrolled)
        for u in range(unrolled):
            totals = at(done + u * lanes, totals, columns - done - u * lanes)
        for k, total in enumerate(totals):
            place, number = (first + k) * step, m.sum(total)
            m.either(
                add == 1,
                lambda place=place, number=number: m.put(y, place, m.element(y, place) + number),
                lambda place=place, number=number: m.put(y, place, number),
            )

    blocks = m.integer(rows) // _DOTS
    m.repeat(blocks, lambda b: together(b * _DOTS, _DOTS))
    m.repeat(rows - blocks * _DOTS, lambda r: together(blocks * _DOTS + r, 1))


_KERNEL = """
def kernel(thread, threads, args):
    turned_a = load(args, 0) != 0
    turned_b = load(args, 1) == 1
    in_panels = load(args, 1) == {in_panels}
    m = load(args, 2)
    n = load(args, 3)
    k = load(args, 4)
    alpha = float32(load_float64(args, 5))
    lda = load(args, 7)
    ldb = load(args, 9)
    beta = float32(load_float64(args, 10))
    ldc = load(args, 12)
    if m <= 0 or n <= 0:
        return
    a_lines, a_line = m, k
    if turned_a:
        a_lines, a_line = k, m
    b_lines, b_line = k, n
    if turned_b:
        b_lines, b_line = n, k
    if in_panels:
        b_lines, b_line = n // {panel} * k, {panel}
    a = independent_float32(load(args, 6), select(k > 0, (a_lines - 1) * lda + a_line, 0))
    b = independent_float32(load(args, 8), select(k > 0, (b_lines - 1) * ldb + b_line, 0))
    c = independent_float32(load(args, 11), (m - 1) * ldc + n)
    add = 0
    if beta != float32(0):
        add = {sum}
    depths = (k + {depth} - 1) // {depth}
    blocks = (m + {rows} - 1) // {rows}
    few = m > {streamed} and m <= {few} and not turned_b and not in_panels and ldb * k > {large}
    if few or alpha != float32(1) or (add == {sum} and beta != float32(1)) or k <= 0:
        library_gemm_float32(turned_a, turned_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
        return
    if n == 1 and not turned_a and not in_panels and (ldc == 1 and turned_b or ldb == 1 and not turned_b):
        dot_rows(b, a, lda, m, k, c, ldc, add)
        return
    if m <= {dotted} and turned_b and (m == 1 and lda == 1 or not turned_a):
        rows = 4 + {cached} // (4 * k) * 4
        for j in range(0, n, rows):
            for i in range(m):
                dot_rows(shift(a, i * lda), shift(b, j * ldb), ldb, select(n - j < rows, n - j, rows), k,
                         shift(c, i * ldc + j), 1, add)
        return
    panels = workspace_float32_{panels_size}()
    if m <= {streamed} and not turned_b and not in_panels:
        step = 1
        row_step = lda
        if turned_a:
            step = lda
            row_step = 1
        columns, rows = {stream_columns}, {depth}
        if m > 1:
            columns, rows = {stream_columns} // 4, {stream_rows}
        for j in range(0, n, columns):
            wide = select(n - j < columns, n - j, columns)
            for depth in range(depths):
                start = k * depth // depths
                stop = k * (depth + 1) // depths
                for i in range(m * wide):
                    panels[i] = float32(0)
                for d in range(start, stop, rows):
                    for i in range(m):
                        add_rows_times(shift(a, i * row_step + d * step), step, shift(b, d * ldb + j), ldb,
                                       select(stop - d < rows, stop - d, rows), wide, shift(panels, i * wide))
                for i in range(m):
                    if start > 0 or add == {sum}:
                        for e in range(wide):
                            c[i * ldc + j + e] += panels[i * wide + e]
                    else:
                        for e in range(wide):
                            c[i * ldc + j + e] = panels[i * wide + e]
        return
    left = workspace_float32_{left_size}()
    is_packed = m > {direct} or (m > {strip} and n * k > {small})
    done = 0
    if in_panels and m == 1:
        done = n // {at_once} * {at_once}
    columns = {columns}
    if turned_b:
        columns = {panel}
    elif in_panels:
        columns = n
    for depth in range(depths):
        k0 = k * depth // depths
        deep = k * (depth + 1) // depths - k0
        for block in range(blocks):
            i0 = m * block // blocks
            high = m * (block + 1) // blocks - i0
            a_here = shift(a, i0 * lda + k0)
            a_row = lda
            if turned_a:
                transpose_block(shift(a, k0 * lda + i0), lda, deep, high, left, {line})
                a_here = left
                a_row = {line}
            for j in range(0, done, {at_once}):
                row_times_panels(shift(a, k0), shift(b, j * k + k0 * {panel}), {panel} * k, deep, shift(c, j), add)
            for j0 in range(done, n, columns):
                width = select(n - j0 < columns, n - j0, columns)
                b_here, b_panel, b_step = panels, {panel} * deep, {panel}
                if turned_b:
                    transpose_block(shift(b, j0 * ldb + k0), ldb, width, deep, panels, {panel})
                elif in_panels:
                    b_here, b_panel = shift(b, j0 * k + k0 * {panel}), {panel} * k
                elif is_packed:
                    copy_panels(shift(b, k0 * ldb + j0), ldb, deep, width, panels, {panel} * deep)
                else:
                    b_here, b_panel, b_step = shift(b, k0 * ldb + j0), {panel}, ldb
                multiply_windows(high, width, a_here, a_row, b_here, b_panel, shift(c, i0 * ldc + j0), ldc,
                                 deep, 1, b_step, 1, 0, 0, 1, 0, 0, c, add)
        add = {sum}
"""

#: Columns of the right matrix that are packed at a time.
COLUMNS = 128
#: Up to so many rows (or one strip, if the matrix has more numbers than the second), the right matrix is read where it
#: lies: packing it would take as long as the products.
DIRECT, SMALL = 24, 1 << 17
#: Up to so many rows (and more than stream by), the library is faster with matrices of more numbers than the second.
FEW, LARGE = 24, 1 << 21
#: Up to so many rows, the right matrix streams by; of several rows, parts that stay in the cache between them.
STREAMED, STREAM_ROWS, STREAM_COLUMNS = 3, 32, 4096
#: Up to so many rows, products with a transposed matrix are dot products; numbers of it that stay in the cache.
DOTTED, CACHED = 4, 32768


def kernel() -> str:
    """The text of the function."""
    panel = panel_width()
    return _KERNEL.format(
        panel=panel, in_panels=IN_PANELS, sum=ADD, at_once=_PANELS * panel, panels_size=COLUMNS * DEPTH,
        left_size=ROWS * LINE, depth=DEPTH, rows=ROWS, line=LINE, columns=COLUMNS, direct=DIRECT, small=SMALL,
        strip=strip_rows(host()), few=FEW, large=LARGE, streamed=STREAMED, stream_rows=STREAM_ROWS,
        stream_columns=STREAM_COLUMNS, dotted=DOTTED, cached=CACHED,
    )  # fmt: skip


def is_used_by(source: str) -> bool:
    """Return whether the text of a kernel calls the function."""
    return re.search(r"(?<![a-z_])gemm_(panels_)?float32\(", source) is not None
