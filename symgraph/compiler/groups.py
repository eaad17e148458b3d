"""Groups: disjoint groups of nodes that become one operation each, with what each depends on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symgraph.graph.node import Node


class Groups:
    """Disjoint groups of nodes, with the closure of what each depends on: a matrix of bits, one row a group.

    Args:
        order: all nodes, each after what it reads; each is a group at first.
    """

    def __init__(self, order: Sequence[Node]) -> None:
        self.order = order
        self.number = {node: k for k, node in enumerate(order)}
        self.parent = list(range(len(order)))
        self.members = [[k] for k in range(len(order))]
        self.ancestors = np.zeros((len(order), len(order) // 64 + 1), np.uint64)
        self.inputs: list[set[int]] = []
        for k, node in enumerate(order):
            reads = {self.number[read] for read in node.inputs}
            self.inputs.append(reads)
            for read in reads:
                self.ancestors[k] |= self.ancestors[read]
                self._set(self.ancestors[k], read)

    @staticmethod
    def _set(row: np.ndarray, k: int) -> None:
        row[k >> 6] |= np.uint64(1 << (k & 63))

    def _depend_on(self, k: int) -> np.ndarray:
        """Return for each row whether it depends on a group."""
        return (self.ancestors[:, k >> 6] >> np.uint64(k & 63)) & np.uint64(1) != 0

    def depends(self, group: int, on: int) -> bool:
        """Whether a group reads, directly or not, what another one makes."""
        return bool(int(self.ancestors[group, on >> 6]) >> (on & 63) & 1)

    def find(self, k: int) -> int:
        """The group of the node with number k."""
        while self.parent[k] != k:
            self.parent[k] = self.parent[self.parent[k]]
            k = self.parent[k]
        return k

    def unit(self, node: Node) -> int:
        """The group of a node."""
        return self.find(self.number[node])

    def reads(self, *groups: int) -> set[int]:
        """The groups that some read, without themselves."""
        return {self.find(k) for group in groups for k in self.inputs[group]} - set(groups)

    def are_convex(self, a: int, b: int) -> bool:
        """Whether no path from one of two groups to the other leads through a third."""
        return not any(self.depends(k, a) or self.depends(k, b) for k in self.reads(a, b))

    def join(self, a: int, b: int) -> None:
        """Make group a part of group b; together they must be convex."""
        reads = self.reads(a, b)
        after = self._depend_on(a) | self._depend_on(b)
        closure = self.ancestors[a] | self.ancestors[b]
        for k in (a, b):
            self._set(closure, k)
        self.ancestors[after] |= closure
        self.parent[a] = b
        self.members[b] += self.members[a]
        self.inputs[b] = reads
        for k in (a, b):  # a group does not depend on itself
            closure[k >> 6] &= ~np.uint64(1 << (k & 63))
        self.ancestors[b] = closure

    def nodes(self, unit: int) -> list[Node]:
        """The members of a group, each after what it reads."""
        return [self.order[k] for k in sorted(self.members[unit])]

    def results(self, unit: int, readers: dict[Node, list[Node]], roots: set[Node]) -> list[Node]:
        """The members that somebody outside reads."""
        return [
            node
            for node in self.nodes(unit)
            if node in roots or any(self.unit(reader) != unit for reader in readers[node])
        ]
