"""Running sums, along one axis.

Lines are summed by one thread each, from first to last, where they are short or their neighbours in memory belong to
other lines. A longer line that is dense in memory is summed by one block: piece by piece, in log2(256) rounds a piece
(Kogge, Stone 1973).
"""

from __future__ import annotations

from symgraph.backends.gpu.calls import BLOCKS, THREADS, Call, Kernel, Number, Sizes, blocks_for
from symgraph.backends.gpu.codegen import Writer
from symgraph.backends.gpu.lower.reduction import accumulator
from symgraph.backends.gpu.prelude import COMPUTE
from symgraph.backends.gpu.table import register
from symgraph.compiler.program import Step
from symgraph.graph.type import evaluate, size_of

#: The shortest line that a block works on.
LEAST = 64


@register("cumsum")
def cumsum(step: Step) -> list[Call]:
    """One kernel; which of the two may depend on the sizes."""
    axis = step.attrs["axis"]
    length = step.inputs[0].shape[axis]
    if size_of(step.inputs[0].shape[axis + 1 :]) != 1 or (isinstance(length, int) and length < LEAST):
        return [_Lines(step).by_threads()]
    if isinstance(length, int):
        return [_Lines(step).by_blocks()]
    return [_Lines(step).by_blocks(), _Lines(step).by_threads()]


class _Lines:
    """The text of both kernels."""

    def __init__(self, step: Step) -> None:
        (self.x,), (self.target,), axis = step.inputs, step.outputs, step.attrs["axis"]
        self.writer = Writer()
        inner = size_of(self.x.shape[axis + 1 :])
        self.lines, self.length, self.dense = size_of(self.x.shape[:axis]) * inner, self.x.shape[axis], inner == 1
        self.total, self.count = (self.writer.argument(Number(size), "count") for size in (self.lines, self.length))
        self.apart = self.writer.size(inner)
        self.writer.pointer(self.x, "p")
        self.writer.pointer(self.target, "q", write=True)
        self.type = COMPUTE[accumulator(self.x.dtype)]
        self.place = f"(position)({self.count} - 1 - k)" if step.attrs["reverse"] else "(position)k"
        self.head = f'extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{\n  '
        self.head += "\n  ".join(self.writer.before)

    def by_blocks(self) -> Kernel:
        """A block a line."""
        type, count = self.type, self.count
        body = f"""{self.head}
  __shared__ {type} shared[2][{THREADS}];
  for (count line = blockIdx.x; line < {self.total}; line += gridDim.x) {{
    {type} before = ({type})0;
    for (count start = 0; start < {count}; start += {THREADS}) {{
      const count k = start + threadIdx.x;
      const position at = (position)line * (position){count} + {self.place};
      int now = 0;
      shared[now][threadIdx.x] = k < {count} ? ({type})load(p, at) : ({type})0;
      __syncthreads();
      for (u32 far = 1; far < {THREADS}; far *= 2) {{
        const {type} mine = shared[now][threadIdx.x];
        shared[1 - now][threadIdx.x] = threadIdx.x < far ? mine : op_add(shared[now][threadIdx.x - far], mine);
        now = 1 - now;
        __syncthreads();
      }}
      if (k < {count}) store(q, at, op_add(before, shared[now][threadIdx.x]));
      before = op_add(before, shared[now][{THREADS - 1}]);
      __syncthreads();
    }}
  }}
}}
"""
        when = None if isinstance(self.length, int) else (lambda sizes: evaluate(self.length, sizes) >= LEAST)
        words = tuple(self.writer.arguments.words)
        return Kernel("cumsum", body, words, self._blocks, (self.x, self.target), when=when)

    def _blocks(self, sizes: Sizes) -> int:
        return min(evaluate(self.lines, sizes), BLOCKS)

    def by_threads(self) -> Kernel:
        """A thread a line."""
        type, count, apart = self.type, self.count, self.apart
        body = f"""{self.head}
  for (count i = blockIdx.x * (count)blockDim.x + threadIdx.x; i < {self.total}; i += (count)gridDim.x * blockDim.x) {{
    const position first = (position)(i / {apart} * {count} * {apart} + i % {apart});
    {type} sum = ({type})0;
    for (count k = 0; k < {count}; ++k) {{
      const position at = first + {self.place} * (position){apart};
      sum = op_add(sum, ({type})load(p, at));
      store(q, at, sum);
    }}
  }}
}}
"""
        both = self.dense and not isinstance(self.length, int)
        when = (lambda sizes: evaluate(self.length, sizes) < LEAST) if both else None
        words = tuple(self.writer.arguments.words)
        return Kernel("cumsum", body, words, blocks_for(self.lines), (self.x, self.target), when=when)
