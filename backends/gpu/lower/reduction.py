"""Reductions: sums, products, extremes and truth over axes, and the places of extremes.

One kernel serves all of them. The threads of a block form a grid of lanes: `R` lanes walk along the reduced elements,
`O` lanes along the results; what the R lanes have found is joined by a tree in shared memory. Where neighbours in
memory are reduced, neighbouring threads are R lanes; else they are O lanes, so that memory is read in whole lines
either way. A long reduction to few results is split among blocks, and a second launch joins the parts in a fixed
order: the same input gives the same bits each time. Half floats are accumulated in float.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from symgraph.backends.gpu.calls import BLOCKS, THREADS, Call, Kernel, Number, Sizes
from symgraph.backends.gpu.codegen import (
    ExpressionText,
    Writer,
    coordinates,
    domain_view,
    joined,
    needs_place,
    offset,
    operand_strides,
    table_texts,
)
from symgraph.backends.gpu.prelude import COMPUTE
from symgraph.backends.gpu.table import REDUCTIONS, register
from symgraph.compiler.program import Step, View, contiguous_strides
from symgraph.graph.type import DimLike, Shape, evaluate, is_float, size_of
from symgraph.ops.fused import Expression

#: Elements that one lane should have to itself before a reduction is split among blocks.
LEAST_EACH = 8

#: Blocks that a split reduction is spread over, about; enough for the largest devices.
SPREAD = 512


def _limit(low: bool) -> Callable[[str], str]:
    """Return the function that gives the smallest (or largest) value of a type, in C."""

    def limit(dtype: str) -> str:
        if is_float(dtype):
            sign = "ff800000" if low else "7f800000"
            return f"({COMPUTE[dtype]})bits_to_float(0x{sign}u)"
        bits = int(dtype.lstrip("uint"))
        if dtype.startswith("u"):
            value = 0 if low else 2**bits - 1
            return f"({COMPUTE[dtype]}){value}ull"
        largest = 2 ** (bits - 1) - 1
        return f"({COMPUTE[dtype]})({f'-{largest}ll - 1' if low else f'{largest}ll'})"

    return limit


REDUCTIONS["sum"] = ("op_add", lambda dtype: f"({COMPUTE[dtype]})0")
REDUCTIONS["prod"] = ("op_mul", lambda dtype: f"({COMPUTE[dtype]})1")
REDUCTIONS["max"] = ("op_maximum", _limit(low=True))
REDUCTIONS["min"] = ("op_minimum", _limit(low=False))
REDUCTIONS["any"] = ("op_any", lambda dtype: "false")
REDUCTIONS["all"] = ("op_all", lambda dtype: "true")


def accumulator(dtype: str) -> str:
    """Return the element type in which a reduction is accumulated."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype


@dataclass(frozen=True)
class Extent:
    """How many results there are, and how many elements are reduced to each; how a split is cut.

    Attributes:
        outer: the number of results.
        inner: the number of elements of each.
    """

    outer: DimLike
    inner: DimLike

    @property
    def most_parts(self) -> int:
        """The number of parts that memory is kept for; 1 where the reduction is never split."""
        if not isinstance(self.outer, int) or self.outer == 0:
            return 1  # many results, one for each element of the batch: they keep the device busy
        if isinstance(self.inner, int) and self.inner < 2 * LEAST_EACH * THREADS:
            return 1
        return max(1, SPREAD // -(-self.outer // 32))

    def parts(self, sizes: Sizes) -> int:
        """The number of parts for these sizes."""
        return max(1, min(self.most_parts, evaluate(self.inner, sizes) // (LEAST_EACH * THREADS)))

    def part(self, sizes: Sizes) -> int:
        """The number of elements of a part."""
        return -(-evaluate(self.inner, sizes) // self.parts(sizes))


@dataclass(frozen=True)
class _Lanes:
    """How the threads of a block are shared out; R * O = THREADS, both powers of 2.

    Attributes:
        rows: True where neighbouring threads walk along the reduced elements.
        outer: the number of results.
        inner: gives the number of elements that one block reduces to each of its results.
    """

    rows: bool
    outer: DimLike
    inner: Callable[[Sizes], int]

    def reducing(self, sizes: Sizes) -> int:
        """The number of R lanes."""
        outer, inner = evaluate(self.outer, sizes), max(self.inner(sizes), 1)
        below = 1 << (inner.bit_length() - 1)  # the largest power of 2 that is not larger
        if not self.rows:
            narrow = THREADS >> max(outer - 1, 0).bit_length() if outer < 32 else 8
            return min(max(narrow, 1), THREADS) if outer < 32 else min(below, 8)
        if outer <= 64:
            return min(below, THREADS)
        enough = 1 << max((inner - 1) // LEAST_EACH, 0).bit_length()
        return min(max(enough, min(below, 32)), THREADS)

    def results(self, sizes: Sizes) -> int:
        """The number of O lanes."""
        return THREADS // self.reducing(sizes)

    def blocks(self, sizes: Sizes) -> int:
        """The number of blocks along x."""
        return min(-(-evaluate(self.outer, sizes) // self.results(sizes)), BLOCKS)


def _extent(step: Step) -> Extent:
    shape, axes = step.attrs["shape"], step.attrs["axes"]
    outer = size_of(size for axis, size in enumerate(shape) if axis not in axes)
    return Extent(outer, size_of(shape[axis] for axis in axes))


def _scratch(step: Step) -> Iterable[tuple[str, DimLike]]:
    extent = _extent(step)
    if extent.most_parts == 1:
        return []
    return [(accumulator(step.outputs[0].dtype), extent.outer * extent.most_parts)]


@register("fused_reduce", strided=True, scratch=_scratch)
def fused_reduce(step: Step) -> list[Call]:
    """One kernel, or two where the reduction is split; which of them is decided by the sizes."""
    expression, shape, axes = step.attrs["expression"], step.attrs["shape"], step.attrs["axes"]
    name, target = step.attrs["reduce"], step.outputs[0]
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    if step.attrs["keepdims"]:
        target = target.with_layout(
            tuple(target.shape[axis] for axis in kept), tuple(target.strides[axis] for axis in kept)
        )
    extent = _extent(step)
    whole = Reduction(name, expression, shape, axes, step.inputs, target)
    if not step.scratch:
        return [whole.kernel()]
    parts = (extent.most_parts, *(shape[axis] for axis in kept))
    partial = step.scratch[0].with_layout(parts, contiguous_strides(parts))
    first = Reduction(name, expression, shape, axes, step.inputs, partial, split=extent)
    copy = Expression((partial.dtype,), (), (0,))
    second = Reduction(name, copy, parts, (0,), (partial,), target, inner=extent.parts)
    return [
        whole.kernel(when=lambda sizes: extent.parts(sizes) == 1),
        first.kernel(when=lambda sizes: extent.parts(sizes) > 1),
        second.kernel(when=lambda sizes: extent.parts(sizes) > 1),
    ]


class Reduction:
    """One launch of a reduction.

    Args:
        name: the reduction.
        expression, shape, inputs: what is reduced.
        axes: over which axes.
        target: the results, without the reduced axes; with `split` a first axis more, one row a part.
        split: cuts the reduced elements into parts, one for each block along y.
        inner: gives the number of elements to reduce, where it is less than `axes` say.
    """

    def __init__(
        self,
        name: str,
        expression: Expression,
        shape: Shape,
        axes: Sequence[int],
        inputs: Sequence[View],
        target: View,
        split: Extent | None = None,
        inner: Callable[[Sizes], int] | None = None,
    ) -> None:
        self.name, self.expression, self.inputs, self.target, self.split = name, expression, inputs, target, split
        self.shape = shape
        places = [domain_view(shape)] if needs_place(expression) else []
        strides = operand_strides([*inputs, *places], shape, expression.tables)
        kept = [axis for axis in range(len(shape)) if axis not in axes]
        result_strides = list(target.strides[1:] if split else target.strides)
        self.outer_sizes, outer_strides = joined(
            [shape[axis] for axis in kept], [*([each[axis] for axis in kept] for each in strides), result_strides]
        )
        self.outer_strides, self.result_strides = outer_strides[:-1], outer_strides[-1]
        self.inner_sizes, self.inner_strides = joined(
            [shape[axis] for axis in axes], [[each[axis] for axis in axes] for each in strides]
        )
        self.outer, size = size_of(self.outer_sizes), size_of(self.inner_sizes)
        self.inner: Callable[[Sizes], int] = inner or (lambda sizes: evaluate(size, sizes))
        self.lanes = _Lanes(self._rows(), self.outer, split.part if split else self.inner)

    def _rows(self) -> bool:
        """Return whether neighbours in memory are reduced, rather than belong to neighbouring results."""
        reduced = sum(bool(each) and each[-1] == 1 for each in self.inner_strides[: len(self.inputs)])
        apart = sum(bool(each) and each[-1] == 1 for each in self.outer_strides[: len(self.inputs)])
        return reduced >= apart

    def kernel(self, when: Callable[[Sizes], bool] | None = None) -> Kernel:
        """Return the launch."""
        writer = Writer()
        kind = accumulator(self.expression.dtype(self.expression.results[0]))
        join, identity = REDUCTIONS[self.name]
        type = COMPUTE[kind]
        outer = writer.size(self.outer)
        inner = writer.argument(Number(self.inner), "count")
        reducing = writer.argument(Number(self.lanes.reducing), "count")
        results = writer.argument(Number(self.lanes.results), "count")
        outer_names, outer_lines = coordinates("o", self.outer_sizes, "c", writer)
        inner_names, inner_lines = coordinates("i", self.inner_sizes, "d", writer)
        names, count = [*outer_names, *inner_names], len(self.inputs)
        strides = [[*a, *b] for a, b in zip(self.outer_strides, self.inner_strides, strict=True)]
        steady = [all(stride == 0 for stride in each) for each in strides[:count]]
        offsets = [offset(names, each, writer) for each in strides[:count]]
        tables = table_texts(self.expression, self.inputs, offsets, writer)
        text = ExpressionText(self.expression, writer, steady, "place", tables)
        once: list[str] = []
        each: list[str] = []
        for number, view in enumerate(self.inputs):
            writer.pointer(view, f"p{number}")
            if number not in tables:
                (once if steady[number] else each).append(text.load(number, f"p{number}", offsets[number]))
        if len(strides) > count:
            each.insert(0, f"const count place = (count)({offset(names, strides[count], writer)});")
        writer.pointer(self.target, "q", write=True)
        target = offset(outer_names, self.result_strides, writer)
        first, last, cut = "(count)0", inner, []
        if self.split:
            part = writer.argument(Number(self.split.part), "count")
            first, last = f"(count)blockIdx.y * {part}", "last"
            cut = [f"const count end = {first} + {part}, last = end < {inner} ? end : {inner};"]
            target = f"(position)blockIdx.y * (position){outer} + {target}"
        r, o = (f"% {reducing}", f"/ {reducing}") if self.lanes.rows else (f"/ {results}", f"% {results}")
        lines = [
            f'extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{',
            f"  __shared__ {type} shared[{THREADS}];",
            *("  " + line for line in writer.before),
            *("  " + line for line in (*once, *text.once)),
            f"  const count r = threadIdx.x {r}, lane = threadIdx.x {o};",
            f"  for (count start = blockIdx.x * {results}; start < {outer}; start += gridDim.x * {results}) {{",
            "    const count o = start + lane;",
            f"    {type} found = {identity(kind)};",
            f"    if (o < {outer}) {{",
            *("      " + line for line in outer_lines),
            *("      " + line for line in cut),
            f"      for (count i = {first} + r; i < {last}; i += {reducing}) {{",
            *("        " + line for line in (*inner_lines, *each, *text.each)),
            f"        found = {join}(found, ({type}){text.results[0]});",
            "      }",
            "    }",
            f"    shared[r * {results} + lane] = found;",
            "    __syncthreads();",
            f"    for (count half = {reducing} / 2; half; half /= 2) {{",
            f"      if (r < half) shared[r * {results} + lane] = "
            f"{join}(shared[r * {results} + lane], shared[(r + half) * {results} + lane]);",
            "      __syncthreads();",
            "    }",
            f"    if (r == 0 && o < {outer}) {{",
            *("      " + line for line in outer_lines),
            f"      store(q, {target}, shared[lane]);",
            "    }",
            "    __syncthreads();",
            "  }",
            "}",
            "",
        ]
        views = (domain_view(self.shape), *self.inputs, self.target)
        splits = self.split.parts if self.split else 1
        return Kernel(
            self.name, "\n".join(lines), tuple(writer.arguments.words), self.lanes.blocks, views, splits, when
        )


# ------------------------------------------------------------------------------------------- places of extremes


def _place_of_extreme(step: Step, sign: str) -> list[Call]:
    """The index of the first extreme along an axis; a NaN counts as the most extreme, as in NumPy."""
    (view,), (target,), axis = step.inputs, step.outputs, step.attrs["axis"]
    inner, length = size_of(view.shape[axis + 1 :]), view.shape[axis]
    outer = size_of(view.shape[:axis]) * inner
    lanes = _Lanes(inner == 1, outer, lambda sizes: evaluate(length, sizes))
    writer, type = Writer(), COMPUTE[view.dtype]
    total, count, step_size = writer.size(outer), writer.size(length), writer.size(inner)
    reducing = writer.argument(Number(lanes.reducing), "count")
    results = writer.argument(Number(lanes.results), "count")
    writer.pointer(view, "p")
    writer.pointer(target, "q", write=True)
    r, o = (f"% {reducing}", f"/ {reducing}") if lanes.rows else (f"/ {results}", f"% {results}")
    body = f"""
DEVICE bool before(bool some, {type} v, i64 k, bool other, {type} w, i64 m) {{  // is (v, k) the better place?
  if (!some || !other) return some;
  if (v != v || w != w) return v != v && (w == w || k < m);
  return v {sign} w || (v == w && k < m);
}}
extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{
  __shared__ {type} values[{THREADS}];
  __shared__ i64 places[{THREADS}];
  {" ".join(writer.before)}
  const count r = threadIdx.x {r}, lane = threadIdx.x {o};
  for (count start = blockIdx.x * {results}; start < {total}; start += gridDim.x * {results}) {{
    const count o = start + lane;
    {type} best = ({type})0;
    i64 place = -1;
    if (o < {total}) {{
      const position base = (position)(o / {step_size} * {count} * {step_size} + o % {step_size});
      for (count i = r; i < {count}; i += {reducing}) {{
        const {type} v = load(p, base + (position)i * (position){step_size});
        if (before(true, v, (i64)i, place >= 0, best, place)) {{ best = v; place = (i64)i; }}
      }}
    }}
    const count mine = r * {results} + lane;
    values[mine] = best;
    places[mine] = place;
    __syncthreads();
    for (count half = {reducing} / 2; half; half /= 2) {{
      const count other = mine + half * {results};
      if (r < half && before(places[other] >= 0, values[other], places[other], places[mine] >= 0, values[mine],
                             places[mine])) {{
        values[mine] = values[other];
        places[mine] = places[other];
      }}
      __syncthreads();
    }}
    if (r == 0 && o < {total}) store(q, (position)o, places[lane]);
    __syncthreads();
  }}
}}
"""
    return [Kernel(step.name, body, tuple(writer.arguments.words), lanes.blocks, (view, target))]


@register("argmax")
def argmax(step: Step) -> list[Call]:
    return _place_of_extreme(step, ">")


@register("argmin")
def argmin(step: Step) -> list[Call]:
    return _place_of_extreme(step, "<")
