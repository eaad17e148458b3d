"""Running sums, along one axis.

Lines whose neighbours in memory belong to other lines are summed by one thread each, from first to last. A line that
is dense in memory is summed by one block: piece by piece, in log2(256) rounds a piece (Kogge, Stone 1973).
"""

from __future__ import annotations

from symgraph.backends.gpu.calls import BLOCKS, THREADS, Call, Kernel, Number, Sizes, blocks_for
from symgraph.backends.gpu.codegen import Writer
from symgraph.backends.gpu.lower.reduction import accumulator
from symgraph.backends.gpu.prelude import COMPUTE
from symgraph.backends.gpu.table import register
from symgraph.compiler.program import Step
from symgraph.graph.type import evaluate, size_of


@register("cumsum")
def cumsum(step: Step) -> list[Call]:
    """One kernel."""
    (x,), (target,), axis = step.inputs, step.outputs, step.attrs["axis"]
    writer = Writer()
    inner = size_of(x.shape[axis + 1 :])
    lines = size_of(x.shape[:axis]) * inner
    total, length = (writer.argument(Number(size), "count") for size in (lines, x.shape[axis]))
    apart = writer.size(inner)
    writer.pointer(x, "p")
    writer.pointer(target, "q", write=True)
    type = COMPUTE[accumulator(x.dtype)]
    place = f"({length} - 1 - k)" if step.attrs["reverse"] else "k"
    head = f'extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{\n  '
    head += "\n  ".join(writer.before)
    if inner == 1:
        body = f"""{head}
  __shared__ {type} shared[2][{THREADS}];
  for (count line = blockIdx.x; line < {total}; line += gridDim.x) {{
    {type} before = ({type})0;
    for (count start = 0; start < {length}; start += {THREADS}) {{
      const count k = start + threadIdx.x;
      const position at = (position)line * (position){length} + (position){place};
      int now = 0;
      shared[now][threadIdx.x] = k < {length} ? ({type})load(p, at) : ({type})0;
      __syncthreads();
      for (u32 far = 1; far < {THREADS}; far *= 2) {{
        const {type} mine = shared[now][threadIdx.x];
        shared[1 - now][threadIdx.x] = threadIdx.x < far ? mine : op_add(shared[now][threadIdx.x - far], mine);
        now = 1 - now;
        __syncthreads();
      }}
      if (k < {length}) store(q, at, op_add(before, shared[now][threadIdx.x]));
      before = op_add(before, shared[now][{THREADS - 1}]);
      __syncthreads();
    }}
  }}
}}
"""

        def blocks(sizes: Sizes) -> int:
            return min(evaluate(lines, sizes), BLOCKS)

        return [Kernel("cumsum", body, tuple(writer.arguments.words), blocks, (x, target))]
    body = f"""{head}
  for (count i = blockIdx.x * (count)blockDim.x + threadIdx.x; i < {total}; i += (count)gridDim.x * blockDim.x) {{
    const position first = (position)(i / {apart} * {length} * {apart} + i % {apart});
    {type} sum = ({type})0;
    for (count k = 0; k < {length}; ++k) {{
      const position at = first + (position){place} * (position){apart};
      sum = op_add(sum, ({type})load(p, at));
      store(q, at, sum);
    }}
  }}
}}
"""
    return [Kernel("cumsum", body, tuple(writer.arguments.words), blocks_for(lines), (x, target))]
