"""Reading and adding to rows by number.

An index out of range cannot stop a kernel. It is clamped to the nearest row, the kernel leaves a note, and the call
raises `IndexError` when it fetches its results - after the updates of that call have been applied.

Adding rows is done in a fixed order, without atomic additions of floats: the (row, place) pairs are sorted, and each
run of equal rows is summed from first to last by the threads of one block, one column a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from symgraph.backends.gpu.calls import (
    THREADS,
    Call,
    Choice,
    ErrorCell,
    Fill,
    Kernel,
    Number,
    Report,
    Sizes,
    blocks_for,
)
from symgraph.backends.gpu.codegen import Writer, domain_view, fused_body
from symgraph.backends.gpu.lower.reduction import accumulator
from symgraph.backends.gpu.prelude import COMPUTE
from symgraph.backends.gpu.table import register
from symgraph.compiler.program import Step, View
from symgraph.graph.type import DimLike, evaluate, size_of

#: Keys that one block sorts in shared memory.
BLOCK_KEYS = 2 * THREADS

_CHECKED = """
DEVICE i64 checked(i64 row, i64 rows, i64* error, i64 note) {
  if (row < -rows || row >= rows) {
    *error = note;
    return row < 0 ? 0 : (rows > 0 ? rows - 1 : 0);
  }
  return row < 0 ? row + rows : row;
}
"""


def _report(step: Step, rows: DimLike) -> Report:
    place = f" (made at {step.source})" if step.source else ""
    return Report(f"{step.name}{place}: an index is out of range for {rows} rows")


def _checks(writer: Writer, step: Step, rows: DimLike) -> str:
    """Return the arguments of `checked` after the index."""
    error = writer.arguments.add(ErrorCell())
    note = writer.arguments.add(_report(step, rows))
    return f"{writer.argument(Number(rows), 'i64')}, (i64*){error}, {note}"


@register("gather")
def gather(step: Step) -> list[Call]:
    """A thread an element of the result."""
    (x, indices), (target,) = step.inputs, step.outputs
    writer = Writer()
    width = writer.size(size_of(x.shape[1:]))
    checks = _checks(writer, step, x.shape[0])
    total = writer.size(target.size)
    writer.pointer(x, "p")
    writer.pointer(indices, "rows")
    writer.pointer(target, "q", write=True)
    zero = f"({COMPUTE[x.dtype]})0"
    body = f"""{_CHECKED}
extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{
  {" ".join(writer.before)}
  for (count i = blockIdx.x * (count)blockDim.x + threadIdx.x; i < {total}; i += (count)gridDim.x * blockDim.x) {{
    const i64 row = checked((i64)load(rows, (position)(i / {width})), {checks});
    const bool some = {writer.argument(Number(x.shape[0]), "i64")} > 0;
    store(q, (position)i, some ? load(p, (position)row * (position){width} + (position)(i % {width})) : {zero});
  }}
}}
"""
    views = (x, indices, target)
    return [Kernel("gather", body, tuple(writer.arguments.words), blocks_for(target.size), views)]


# ---------------------------------------------------------------------------------------------------- scatter_add


def _padded(entries: DimLike) -> Callable[[Sizes], int]:
    """The number of keys to sort: a power of 2, at least what one block sorts; less than 2 * (entries + BLOCK_KEYS)."""
    return lambda sizes: max(1 << max(evaluate(entries, sizes) - 1, 0).bit_length(), BLOCK_KEYS)


def _scratch(step: Step) -> Iterable[tuple[str, DimLike]]:
    return [("uint64", 2 * step.inputs[1].size + BLOCK_KEYS)]


def _sorted_keys(step: Step, indices: View, rows: DimLike, keys: View) -> list[Call]:
    """Make the keys of a step's indices in its scratch memory, and sort them."""
    padded = _padded(indices.size)

    def sort(sizes: Sizes) -> list[Call]:
        """The stages of a bitonic sort (Batcher 1968): those within a block first, then merges of longer and longer."""
        calls: list[Call] = [_block_sort(keys, padded, None)]
        run = 2 * BLOCK_KEYS
        while run <= padded(sizes):
            distance = run // 2
            while distance >= BLOCK_KEYS:
                calls.append(_stage(keys, padded, run, distance))
                distance //= 2
            calls.append(_block_sort(keys, padded, run))
            run *= 2
        return calls

    kernels = (_block_sort(keys, padded, None), _block_sort(keys, padded, 0), _stage(keys, padded, 0, 0))
    return [_make_keys(step, indices, rows, keys, padded), Choice(kernels, sort)]


@register("scatter_add", scratch=_scratch)
def scatter_add(step: Step) -> list[Call]:
    """Zero the result, sort the keys, sum the runs."""
    (values, indices), (target,), (keys,) = step.inputs, step.outputs, step.scratch
    sort = _sorted_keys(step, indices, target.shape[0], keys)
    return [Fill(target), *sort, _sum_runs(values, keys, target, indices.size, by_row=True)]


@register("sum_rows", scratch=_scratch)
def sum_rows(step: Step) -> list[Call]:
    """Like scatter_add, but a sum goes to the place of its first entry: the last word of the first key of its run."""
    (values, indices, slots), (target,), (keys,) = step.inputs, step.outputs, step.scratch
    sort = _sorted_keys(step, indices, slots.size, keys)
    return [Fill(target), *sort, _sum_runs(values, keys, target, indices.size, by_row=False)]


@register("first_rows", scratch=lambda step: [("uint64", 2 * step.inputs[0].size + BLOCK_KEYS)])
def first_rows(step: Step) -> list[Call]:
    """Sort the keys: the first of each run of equal rows is the entry that names the row first."""
    (indices,), (slots, firsts), (keys,) = step.inputs, step.outputs, step.scratch
    clear = Writer()
    total, entries = clear.size(slots.size), clear.size(indices.size)
    clear.pointer(slots, "slots", write=True)
    clear_body = f"""
extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{
  {" ".join(clear.before)}
  for (count i = blockIdx.x * (count)blockDim.x + threadIdx.x; i < {total}; i += (count)gridDim.x * blockDim.x)
    slots[i] = (int){entries};
}}
"""
    name = Writer()
    entries = name.size(indices.size)
    some = name.argument(Number(slots.size), "i64")
    name.pointer(keys, "keys")
    name.pointer(slots, "slots", write=True)
    name.pointer(firsts, "firsts", write=True)
    name_body = f"""
extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{
  {" ".join(name.before)}
  for (count i = blockIdx.x * (count)blockDim.x + threadIdx.x; i < {entries}; i += (count)gridDim.x * blockDim.x) {{
    const u64 row = keys[i] >> 32;
    const bool first = (i == 0 || (keys[i - 1] >> 32) != row) && {some} > 0;
    const u32 place = (u32)keys[i];
    firsts[place] = first ? (int)row : -1;
    if (first) slots[row] = (int)place;
  }}
}}
"""
    return [
        Kernel("clear_slots", clear_body, tuple(clear.arguments.words), blocks_for(slots.size), (slots,)),
        *_sorted_keys(step, indices, slots.size, keys),
        Kernel("first_rows", name_body, tuple(name.arguments.words), blocks_for(indices.size), (keys, slots, firsts)),
    ]


@register("rows_used")
def rows_used(step: Step) -> list[Call]:
    """Zero the result; threads that name the same row write the same there."""
    (indices,), (target,) = step.inputs, step.outputs
    writer = Writer()
    checks = _checks(writer, step, target.size)
    entries = writer.size(indices.size)
    some = writer.argument(Number(target.size), "i64")
    writer.pointer(indices, "rows")
    writer.pointer(target, "q", write=True)
    body = f"""{_CHECKED}
extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{
  {" ".join(writer.before)}
  for (count i = blockIdx.x * (count)blockDim.x + threadIdx.x; i < {entries}; i += (count)gridDim.x * blockDim.x) {{
    const i64 row = checked((i64)load(rows, (position)i), {checks});
    if ({some} > 0) store(q, (position)row, true);
  }}
}}
"""
    kernel = Kernel("rows_used", body, tuple(writer.arguments.words), blocks_for(indices.size), (indices, target))
    return [Fill(target), kernel]


@register("fused_rows", strided=True)
def fused_rows(step: Step) -> list[Call]:
    """One kernel: a thread an element of the listed rows."""
    *inputs, firsts = step.inputs
    shape = step.attrs["shape"]
    body, arguments = fused_body(step.attrs["expression"], shape, inputs, step.outputs, firsts)
    elements = firsts.size * size_of(shape[1:])
    views = (domain_view(shape), *step.inputs, *step.outputs)
    return [Kernel("fused_rows", body, tuple(arguments.words), blocks_for(elements), views)]


def _make_keys(step: Step, indices: View, rows: DimLike, keys: View, padded: Callable[[Sizes], int]) -> Kernel:
    """A key is the row, then the place among the entries; what fills up to a power of 2 comes last."""
    writer = Writer()
    checks = _checks(writer, step, rows)
    total, entries = writer.argument(Number(padded), "count"), writer.size(indices.size)
    writer.pointer(indices, "rows")
    writer.pointer(keys, "q", write=True)
    body = f"""{_CHECKED}
extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{
  {" ".join(writer.before)}
  for (count i = blockIdx.x * (count)blockDim.x + threadIdx.x; i < {total}; i += (count)gridDim.x * blockDim.x) {{
    u64 key = ~0ull;
    if (i < {entries}) key = ((u64)checked((i64)load(rows, (position)i), {checks}) << 32) | (u64)i;
    q[i] = key;
  }}
}}
"""
    return Kernel("sort_keys", body, tuple(writer.arguments.words), blocks_for(padded), (indices, keys))


def _block_sort(keys: View, padded: Callable[[Sizes], int], run: int | None) -> Kernel:
    """Sort each piece of BLOCK_KEYS keys, up and down in turn; or, given the length of a run, finish merging it."""
    writer = Writer()
    total = writer.argument(Number(padded), "count")
    merged = writer.argument(Number(lambda sizes: run or 0), "count")
    writer.pointer(keys, "q", write=True)
    if run is None:
        loops = f"for (count size = 2; size <= {BLOCK_KEYS}; size *= 2) for (count far = size / 2; far; far /= 2) {{"
    else:
        loops = f"const count size = {merged}; for (count far = {BLOCK_KEYS // 2}; far; far /= 2) {{"
    body = f"""
extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{
  __shared__ u64 shared[{BLOCK_KEYS}];
  {" ".join(writer.before)}
  for (count start = blockIdx.x * {BLOCK_KEYS}u; start < {total}; start += gridDim.x * {BLOCK_KEYS}u) {{
    shared[threadIdx.x] = q[start + threadIdx.x];
    shared[threadIdx.x + {THREADS}] = q[start + threadIdx.x + {THREADS}];
    __syncthreads();
    {loops}
      const count low = 2 * threadIdx.x - (threadIdx.x & (far - 1)), high = low + far;
      const bool up = ((start + low) & size) == 0;
      if ((shared[low] > shared[high]) == up) {{
        const u64 kept = shared[low];
        shared[low] = shared[high];
        shared[high] = kept;
      }}
      __syncthreads();
    }}
    q[start + threadIdx.x] = shared[threadIdx.x];
    q[start + threadIdx.x + {THREADS}] = shared[threadIdx.x + {THREADS}];
    __syncthreads();
  }}
}}
"""
    family = "sort_block" if run is None else "sort_merge"
    blocks = blocks_for(padded, BLOCK_KEYS)
    return Kernel(family, body, tuple(writer.arguments.words), blocks, (keys,))


def _stage(keys: View, padded: Callable[[Sizes], int], run: int, distance: int) -> Kernel:
    """Compare keys that are further apart than a block reaches."""
    writer = Writer()
    total = writer.argument(Number(padded), "count")
    size = writer.argument(Number(lambda sizes: run), "count")
    far = writer.argument(Number(lambda sizes: distance), "count")
    writer.pointer(keys, "q", write=True)
    body = f"""
extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{
  {" ".join(writer.before)}
  for (count i = blockIdx.x * (count)blockDim.x + threadIdx.x; i < {total} / 2; i += (count)gridDim.x * blockDim.x) {{
    const count low = 2 * i - (i & ({far} - 1)), high = low + {far};
    const u64 first = q[low], second = q[high];
    if ((first > second) == ((low & {size}) == 0)) {{
      q[low] = second;
      q[high] = first;
    }}
  }}
}}
"""
    blocks = blocks_for(lambda sizes: padded(sizes) // 2)
    return Kernel("sort_stage", body, tuple(writer.arguments.words), blocks, (keys,))


def _sum_runs(values: View, keys: View, target: View, entries: DimLike, by_row: bool) -> Kernel:
    """The thread at the first of a run of equal rows sums one column of it, for the row or for the first entry."""
    writer = Writer()
    width, count = writer.size(size_of(target.shape[1:])), writer.size(entries)
    total = writer.size(values.size)
    writer.pointer(values, "p")
    writer.pointer(keys, "keys")
    writer.pointer(target, "q", write=True)
    type = COMPUTE[accumulator(target.dtype)]
    to = "row" if by_row else "(u32)keys[first]"
    body = f"""
extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{
  {" ".join(writer.before)}
  for (count i = blockIdx.x * (count)blockDim.x + threadIdx.x; i < {total}; i += (count)gridDim.x * blockDim.x) {{
    const count first = i / {width}, column = i % {width};
    const u64 row = keys[first] >> 32;
    if (first > 0 && (keys[first - 1] >> 32) == row) continue;
    {type} sum = ({type})0;
    for (count k = first; k < {count} && (keys[k] >> 32) == row; ++k)
      sum = op_add(sum, ({type})load(p, (position)(u32)keys[k] * (position){width} + (position)column));
    store(q, (position){to} * (position){width} + (position)column, sum);
  }}
}}
"""
    views = (values, keys, target)

    def blocks(sizes: Sizes) -> int:
        return blocks_for(values.size)(sizes) if evaluate(target.size, sizes) else 0

    return Kernel("sum_runs", body, tuple(writer.arguments.words), blocks, views)
