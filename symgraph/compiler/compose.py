"""Composing expressions: several put together into one that computes each value once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symgraph.graph.node import Attributes, Node
from symgraph.ops.fused import Expression, Instruction

#: The name of a value while the number of operands is not known: what it is, and which of them.
Name = tuple[str, int]

#: The value that a kernel has already (of a product, say): after all operands.
GIVEN: Name = ("given", 0)


class Composer:
    """Collects operands and instructions.

    Attributes:
        operands: the nodes that are read, each once.
    """

    def __init__(self) -> None:
        self.operands: list[Node] = []
        self._instructions: list[tuple[str, Attributes, tuple[Name, ...], str, bool]] = []
        self._known: dict[tuple, Name] = {}
        self._numbers: dict[Node, int] = {}

    def operand(self, node: Node) -> Name:
        """The name of an operand."""
        if node not in self._numbers:
            self._numbers[node] = len(self.operands)
            self.operands.append(node)
        return "operand", self._numbers[node]

    def instruct(self, op: str, attrs: Attributes, arguments: tuple[Name, ...], dtype: str, varies: bool) -> Name:
        """The name of the result of an instruction."""
        key = (op, attrs, arguments, dtype)
        name = self._known.get(key)
        if name is None:
            name = self._known[key] = ("instruction", len(self._instructions))
            self._instructions.append((op, attrs, arguments, dtype, varies))
        return name

    def add(self, expression: Expression, names: Sequence[Name]) -> list[Name]:
        """Add the instructions of an expression over operands with these names; returns the names of all its values."""
        found = list(names)
        for each in expression.instructions:
            arguments = tuple(found[argument] for argument in each.arguments)
            found.append(self.instruct(each.op, each.attrs, arguments, each.dtype, each.varies))
        return found

    def expression(self, results: Sequence[Name], given: str | None = None) -> Expression:
        """The whole as one expression.

        Args:
            results: the names of its results.
            given: the element type of the value that the kernel has already, if there is one.
        """
        first = len(self.operands) + (given is not None)

        def number(name: Name) -> int:
            kind, k = name
            return k if kind == "operand" else len(self.operands) if name == GIVEN else first + k

        made = tuple(
            Instruction(op, attrs, tuple(map(number, arguments)), dtype, varies)
            for op, attrs, arguments, dtype, varies in self._instructions
        )
        dtypes = [*(each.dtype for each in self.operands), *([given] if given is not None else [])]
        return Expression(tuple(dtypes), made, tuple(map(number, results)))


def part_of(expression: Expression, results: Sequence[int], keep: Sequence[int] = ()) -> tuple[Expression, list[int]]:
    """Return an expression without what some of its values do not read, and the numbers of the operands that it keeps.

    Args:
        expression: the whole.
        results: the numbers of the values that become the results.
        keep: operands that stay in any case.
    """
    count = len(expression.operands)
    wanted = set(results)
    for k in range(len(expression.instructions) - 1, -1, -1):
        if count + k in wanted:
            wanted.update(expression.instructions[k].arguments)
    operands = [k for k in range(count) if k in wanted or k in keep]
    instructions = [k for k in range(len(expression.instructions)) if count + k in wanted]
    number = {old: new for new, old in enumerate([*operands, *(count + k for k in instructions)])}
    made = (expression.instructions[k] for k in instructions)
    return Expression(
        tuple(expression.operands[k] for k in operands),
        tuple(replace(each, arguments=tuple(number[argument] for argument in each.arguments)) for each in made),
        tuple(number[result] for result in results),
    ), operands
