"""Run a bound program as plain Python, with every access to memory checked: wrong code fails with a traceback.

function([...])                                # bind it to sizes
run_checked(function.bound(), [arrays...])     # the same kernels, one by one, thread after thread
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symgraph.backends.cpu import language
from symgraph.backends.cpu.executor import BoundProgram, TapeRow


def run_checked(bound: BoundProgram, arrays: Sequence[np.ndarray], threads: int = 2) -> list[np.ndarray]:
    """Return what the program computes; variables are updated as by a call.

    Args:
        bound: a program bound to sizes.
        arrays: its inputs.
        threads: into how many parts shared kernels are cut; the parts run one after another.

    Raises:
        IndexError: a kernel reads or writes outside of a buffer; the message names the kernel.
    """

    def run(rows: Sequence[TapeRow]) -> None:
        for row in rows:
            if row.call is None:
                patches = [
                    (entry, bound.value(bound.runner.increment(row, entry))) for entry in bound.runner.patched(row)
                ]
                before = [int(bound.table[entry]) for entry, _ in patches]
                for _ in range(bound.value(row.length)):
                    run(row.body)
                    for entry, increment in patches:
                        bound.table[entry] += increment
                for (entry, _), value in zip(patches, before, strict=True):
                    bound.table[entry] = value
            elif bound.value(row.call.active):
                parts = threads if row.call.shared else 1
                for thread in range(parts):
                    address = bound.table.ctypes.data + 8 * row.first
                    language.run_checked(row.call.source, row.call.name, thread, parts, address)
                if row.call.fails and bound.status[0] and row.step is not None and row.step.op.checks:
                    return

    return bound(arrays, lambda: run(bound.runner.rows))
