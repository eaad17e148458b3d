"""The arithmetic of sliding windows in kernels, shared by convolution and pooling.

Arrays are (batch, *spatial, channels), with one to three spatial axes. The texts depend on the number of axes alone:
sizes, strides, dilations and paddings are arguments, each a word of its own even where two are equal.
"""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.backends.gpu.calls import THREADS, Arguments, Number, Sizes, count_value
from symgraph.backends.gpu.codegen import Writer
from symgraph.compiler.program import View
from symgraph.graph.type import DimLike


class Windows:
    """The geometry of windows, as names in a kernel.

    Args:
        spatial: the sizes of the spatial axes of the input.
        counts: how many windows there are along each.
        window: the sizes of the window.
        strides: the distance of neighbouring windows along each axis.
        padding: (before, after) for each axis.
        dilation: the distance of neighbouring elements of a window.
    """

    def __init__(
        self,
        spatial: Sequence[DimLike],
        counts: Sequence[DimLike],
        window: Sequence[DimLike],
        strides: Sequence[int],
        padding: Sequence[tuple[DimLike, DimLike]],
        dilation: Sequence[int],
    ) -> None:
        self.writer = Writer()
        self.axes = range(len(spatial))
        self.size = [self.number(dim) for dim in spatial]
        self.count = [self.number(dim) for dim in counts]
        self.window = [self.number(dim) for dim in window]
        self.stride = [self.number(dim) for dim in strides]
        self.before = [self.number(before) for before, _ in padding]
        self.dilation = [self.number(dim) for dim in dilation]

    @property
    def arguments(self) -> Arguments:
        return self.writer.arguments

    def number(self, dim: DimLike, type: str = "position") -> str:
        """Return the name of a size that is an argument of its own."""

        def value(sizes: Sizes) -> int:
            return count_value(dim, sizes)

        return self.writer.argument(Number(value), type)

    def pointer(self, view: View, name: str, write: bool = False) -> None:
        """Declare a pointer to the first element of a view."""
        self.writer.pointer(view, name, write)

    def kernel(self, total: str, each: Sequence[str], before: Sequence[str] = ()) -> str:
        """Return the text of a kernel in which thread after thread does `each` for the number `i` below `total`."""
        lines = [
            *before,
            f'extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{',
            *("  " + line for line in self.writer.before),
            f"  for (count i = blockIdx.x * (count)blockDim.x + threadIdx.x; i < {total};"
            " i += (count)gridDim.x * blockDim.x) {",
            *("    " + line for line in each),
            "  }",
            "}",
            "",
        ]
        return "\n".join(lines)

    def decode(self, number: str, parts: Sequence[tuple[str, str]]) -> list[str]:
        """Return lines that take a number apart: (name, size) from the outermost part, whose size is not needed."""
        lines = [f"count rest = {number};"]
        for name, size in reversed(parts[1:]):
            lines.append(f"const position {name} = (position)(rest % (count){size}); rest /= (count){size};")
        return [*lines, f"const position {parts[0][0]} = (position)rest;"]

    def places(self, prefix: str, sizes: Sequence[str]) -> list[tuple[str, str]]:
        """Return (name, size) parts for `decode`, one a spatial axis."""
        return [(f"{prefix}{axis}", sizes[axis]) for axis in self.axes]

    def at(self, outermost: str, prefix: str, sizes: Sequence[str], channel: str, channels: str) -> str:
        """Return the offset of an element of a (batch, *spatial, channels) array."""
        offset = outermost
        for axis in self.axes:
            offset = f"({offset} * {sizes[axis]} + {prefix}{axis})"
        return f"{offset} * {channels} + {channel}"

    def over_window(self, body: Sequence[str]) -> list[str]:
        """Return loops over the elements k0, k1, ... of window o0, o1, ..., at x0, x1, ... inside the input."""
        lines = []
        for axis in self.axes:
            lines += [
                f"for (position k{axis} = 0; k{axis} < {self.window[axis]}; ++k{axis}) {{",
                f"const position x{axis} = o{axis} * {self.stride[axis]} - {self.before[axis]}"
                f" + k{axis} * {self.dilation[axis]};",
                f"if (x{axis} < 0 || x{axis} >= {self.size[axis]}) continue;",
            ]
        return [*lines, *body, *("}" for _ in self.axes)]

    def over_covering(self, body: Sequence[str]) -> list[str]:
        """Return loops over the windows o0, o1, ... that cover x0, x1, ..., with its place k0, k1, ... in each."""
        lines = []
        for axis in self.axes:
            lines += [
                f"for (position k{axis} = 0; k{axis} < {self.window[axis]}; ++k{axis}) {{",
                f"const position t{axis} = x{axis} + {self.before[axis]} - k{axis} * {self.dilation[axis]};",
                f"if (t{axis} < 0 || t{axis} % {self.stride[axis]} != 0) continue;",
                f"const position o{axis} = t{axis} / {self.stride[axis]};",
                f"if (o{axis} >= {self.count[axis]}) continue;",
            ]
        return [*lines, *body, *("}" for _ in self.axes)]

    def place_in_window(self) -> str:
        """Return the number of the element k0, k1, ... of the window, in row-major order."""
        number = "k0"
        for axis in self.axes[1:]:
            number = f"({number} * {self.window[axis]} + k{axis})"
        return number
