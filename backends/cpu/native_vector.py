"""The microkernels and vector words of :mod:`.vector` in native code."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.extending import lower_builtin, register_model
from numba.core.typing.templates import AbstractTemplate, infer_global, signature

from symgraph.backends.cpu import mathematics, vector
from symgraph.backends.cpu.language import STORAGE
from symgraph.backends.cpu.native import I1, I8, I32, I64, MEMORY, VALUE, WRITTEN_OUT, Pointer, word
from symgraph.backends.cpu.native_functions import KINDS, NativeMachine, Value, constant, llvm_type

__all__ = ["Vector", "VectorMachine", "make", "module_of"]


class Vector(types.Type):
    """Numba type of a vector of ``count`` numbers of dtype ``element`` (``bool`` for the results of comparisons)."""

    def __init__(self, element: str, count: int) -> None:
        self.element, self.count = element, count
        super().__init__(name=f"Vector({element}, {count})")

    @property
    def key(self) -> tuple[str, int]:
        return self.element, self.count


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Vector) -> None:
        super().__init__(dmm, fe_type, llvm_type(fe_type.element, fe_type.count))


class Place:
    """A pointer inside a microkernel."""

    __slots__ = ("kind", "value")

    def __init__(self, kind: str, value: ir.Value) -> None:
        self.kind, self.value = kind, value


class VectorMachine(NativeMachine):
    """Writes microkernels as LLVM instructions; see vector.py for what each operation means."""

    def __init__(self, builder: ir.IRBuilder, target: vector.Target) -> None:
        super().__init__(builder)
        self.target = target

    def lanes(self, dtype: str) -> int:
        return self.target.lanes(dtype)

    def _vector(self, kind: str) -> ir.Type:
        return ir.VectorType(KINDS[kind][0], self.lanes(kind))

    def zero(self, dtype: str) -> Value:
        return Value(self.builder, dtype, ir.Constant(self._vector(dtype), None))

    def integer(self, n: Any) -> Value:
        if isinstance(n, Value):
            return self.convert("int64", n) if n.kind == "bool" else n
        return Value(self.builder, "int64", I64(n))

    def shift(self, place: Place, k: Any) -> Place:
        return Place(place.kind, self.builder.gep(place.value, [self.integer(k).value], inbounds=True))

    def select(self, condition: Value, a: Any, b: Any) -> Any:
        if isinstance(a, Place):
            return Place(a.kind, self.builder.select(condition.value, a.value, b.value))
        return super().select(condition, a, b)

    def room(self, dtype: str, size: int) -> Place:
        return Place(dtype, _room(self.builder, dtype, size))

    def copy(self, source: Place, target: Place, count: Any) -> None:
        self._system("llvm.memcpy.p0.p0.i64", target, self._bytes(source), count)

    def clear(self, place: Place, count: Any) -> None:
        self._system("llvm.memset.p0.i64", place, I8(0), count)

    def _bytes(self, place: Place) -> ir.Value:
        return self.builder.bitcast(place.value, I8.as_pointer())

    def _system(self, name: str, target: Place, what: ir.Value, count: Any) -> None:
        """Call the system's own function on the bytes of elements."""
        size = self.integer(count) * STORAGE[target.kind].itemsize
        given = [self._bytes(target), what, size.value, I1(0)]
        kind = ir.FunctionType(ir.VoidType(), [one.type for one in given])
        self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), given)

    def element(self, place: Place, k: Any) -> Value:
        return Value(self.builder, place.kind, self.builder.load(self.shift(place, k).value))

    def put(self, place: Place, k: Any, number: Value) -> None:
        self.builder.store(number.value, self.shift(place, k).value)

    def _at(self, place: Place, k: Any) -> ir.Value:
        return self.builder.bitcast(self.shift(place, k).value, self._vector(place.kind).as_pointer())

    def first(self, dtype: str, count: Any) -> Value:
        return Value(self.builder, "bool", self._mask(dtype, count))

    def _mask(self, kind: str, count: Any) -> ir.Value:
        if isinstance(count, Value) and count.kind == "bool" and count.lanes > 1:
            return count.value
        lanes = self.lanes(kind)
        number = self.integer(count)
        number = self.select(number > lanes, lanes, self.select(number < 0, 0, number))
        width = ir.IntType(8 * STORAGE[kind].itemsize)  # as wide as the lanes: the mask then is one vector too
        first = ir.Constant(ir.VectorType(width, lanes), [width(lane) for lane in range(lanes)])
        limit = number.value if width == I64 else self.builder.trunc(number.value, width)
        return self.builder.icmp_signed("<", first, self._spread(limit, lanes))

    def _masked(self, verb: str, kind: str, result: ir.Type, given: list[ir.Value]) -> ir.Value:
        form = self._vector(kind)
        name = f"llvm.masked.{verb}.v{form.count}{form.element.intrinsic_name}.p0"
        function_type = ir.FunctionType(result, [one.type for one in given])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, function_type, name), given)

    def load(self, place: Place, k: Any, count: Any = None) -> Value:
        form, align = self._vector(place.kind), STORAGE[place.kind].itemsize
        if count is None:
            return Value(self.builder, place.kind, self.builder.load(self._at(place, k), align=align))
        given = [self._at(place, k), I32(align), self._mask(place.kind, count), ir.Constant(form, None)]
        return Value(self.builder, place.kind, self._masked("load", place.kind, form, given))

    def store(self, place: Place, k: Any, value: Value, count: Any = None) -> None:
        align = STORAGE[place.kind].itemsize
        if count is None:
            self.builder.store(value.value, self._at(place, k), align=align)
        else:
            given = [value.value, self._at(place, k), I32(align), self._mask(place.kind, count)]
            self._masked("store", place.kind, ir.VoidType(), given)

    def _spread(self, number: ir.Value, lanes: int) -> ir.Value:
        empty = ir.Constant(ir.VectorType(number.type, lanes), ir.Undefined)
        first = self.builder.insert_element(empty, number, I32(0))
        return self.builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(I32, lanes), [I32(0)] * lanes))

    def repeated(self, place: Place, k: Any) -> Value:
        return self.spread(self.element(place, k))

    def spread(self, number: Value) -> Value:
        return Value(self.builder, number.kind, self._spread(number.value, self.lanes(number.kind)))

    def _reduced(self, verb: str, value: Value, first: Any = None, fastmath: Iterable[str] = ()) -> Value:
        form = value.value.type
        given = [value.value] if first is None else [first, value.value]
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(form.element, [one.type for one in given]),
            f"llvm.vector.reduce.{verb}.v{form.count}{form.element.intrinsic_name}",
        )
        return Value(self.builder, value.kind, self.builder.call(function, given, fastmath=tuple(fastmath)))

    def sum(self, value: Value) -> Value:
        if value.floating:
            return self._reduced("fadd", value, constant(value.kind, -0.0), ("reassoc",))
        return self._reduced("add", value)

    def greatest(self, value: Value) -> Value:
        return self._folded(value, self.greater)

    def least(self, value: Value) -> Value:
        return self._folded(value, self.smaller)

    def _folded(self, value: Value, combine: Callable[[Any, Any], Value]) -> Value:
        """Combine the lanes by halves: LLVM's own reduction of extremes is not known to all of its versions."""
        lanes = value.lanes
        while lanes > 1:
            lanes //= 2
            halves = [self._shuffled(value, value, range(start, start + lanes)) for start in (0, lanes)]
            value = combine(*halves)
        return Value(self.builder, value.kind, self.builder.extract_element(value.value, I32(0)))

    def relu(self, value: Value) -> Value:
        return self.select(value <= 0, 0, value)

    def _shuffled(self, a: Value, b: Value, order: Iterable[int]) -> Value:
        places = [I32(one) for one in order]
        mask = ir.Constant(ir.VectorType(I32, len(places)), places)
        return Value(self.builder, a.kind, self.builder.shuffle_vector(a.value, b.value, mask))

    def transposed(self, rows: list[Value]) -> list[Value]:
        lanes, rows = len(rows), list(rows)
        distance = 1
        while distance < lanes:
            # Each pair exchanges the lanes whose bit ``distance`` is set in one and clear in the other.
            low = [one + (lanes - distance if one & distance else 0) for one in range(lanes)]
            high = [one + (lanes if one & distance else distance) for one in range(lanes)]
            for k in range(lanes):
                if not k & distance:
                    a, b = rows[k], rows[k + distance]
                    rows[k], rows[k + distance] = self._shuffled(a, b, low), self._shuffled(a, b, high)
            distance *= 2
        return rows

    def fetch(self, place: Place, k: Any) -> None:
        at = self.builder.bitcast(self.shift(place, k).value, ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [at.type, I32, I32, I32])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        self.builder.call(function, [at, I32(0), I32(3), I32(1)])

    def repeat(self, count: Any, body: Callable[..., Any], *state: Any) -> tuple[Any, ...]:
        build = self.builder
        begin = self._state(state)
        number = self.integer(count).value
        before = build.block
        loop, after = build.append_basic_block("repeat"), build.append_basic_block("then")
        build.cbranch(build.icmp_signed(">", number, I64(0)), loop, after)
        build.position_at_end(loop)
        index = build.phi(I64)
        carried = [self._joined(one) for one in begin]
        answer = vector.state_of(body(Value(build, "int64", index), *carried))
        end = self._state(answer)
        following = build.add(index, I64(1))
        last = build.block
        build.cbranch(build.icmp_signed("<", following, number), loop, after)
        index.add_incoming(I64(0), before)
        index.add_incoming(following, last)
        build.position_at_end(after)
        results = [self._joined(one) for one in begin]
        for here, result, first, final in zip(carried, results, begin, end, strict=True):
            for phi in (here.value, result.value):
                phi.add_incoming(first.value, before)
                phi.add_incoming(final.value, last)
        return tuple(results)

    def _state(self, values: tuple[Any, ...]) -> list[Any]:
        """What a repetition or a branch gives, Python numbers among it, as pointers and values."""
        return [one if isinstance(one, Place) else self.integer(one) for one in values]

    def _joined(self, model: Any) -> Any:
        """A value like ``model`` that depends on where the block was entered from."""
        phi = self.builder.phi(model.value.type)
        return Place(model.kind, phi) if isinstance(model, Place) else Value(self.builder, model.kind, phi)

    def either(self, condition: Value, yes: Callable[[], Any], no: Callable[[], Any]) -> tuple[Any, ...]:
        build = self.builder
        after = build.append_basic_block("after")
        blocks = [build.append_basic_block(name) for name in ("yes", "no")]
        build.cbranch(condition.value, *blocks)
        answers, ends = [], []
        for block, compute in zip(blocks, (yes, no), strict=True):
            build.position_at_end(block)
            answers.append(self._state(vector.state_of(compute())))
            ends.append(build.block)
            build.branch(after)
        build.position_at_end(after)
        results = [self._joined(one) for one in answers[0]]
        for answer, end in zip(answers, ends, strict=True):
            for result, one in zip(results, answer, strict=True):
                result.value.add_incoming(one.value, end)
        return tuple(results)

    def among(self, n: Any, low: int, high: int, body: Callable[[int], None]) -> None:
        build = self.builder
        after = build.append_basic_block("after")
        switch = build.switch(self.integer(n).value, after)
        for number in range(low, high + 1):
            block = build.append_basic_block(f"case{number}")
            switch.add_case(I64(number), block)
            build.position_at_end(block)
            body(number)
            build.branch(after)
        build.position_at_end(after)


# -------------------- microkernels


def _kind(argument: str) -> ir.Type:
    dtype = argument.removeprefix("pointer_")
    return MEMORY[dtype].as_pointer() if argument.startswith("pointer_") else KINDS[argument][0]


def _signature(name: str) -> ir.FunctionType:
    return ir.FunctionType(ir.VoidType(), [_kind(argument) for argument in vector.MICROKERNELS[name].arguments])


def traced(module: ir.Module, name: str, target: vector.Target) -> ir.Function:
    """The function of ``module`` that is the microkernel ``name``, traced on first use."""
    symbol = WRITTEN_OUT + name
    if symbol in module.globals:
        return module.globals[symbol]
    kernel = vector.MICROKERNELS[name]
    native = ir.Function(module, _signature(name), symbol)
    native.linkage = "internal"
    native.attributes.add("nounwind")
    native.attributes.add("noinline")  # it is long, and LLVM's time grows with what is inlined twice
    builder = ir.IRBuilder(native.append_basic_block())
    given = [
        Place(argument.removeprefix("pointer_"), value)
        if argument.startswith("pointer_")
        else Value(builder, argument, value)
        for argument, value in zip(kernel.arguments, native.args, strict=True)
    ]
    kernel.formula(VectorMachine(builder, target), *given)
    builder.ret_void()
    return native


def module_of(names: Iterable[str], target: vector.Target | None = None) -> ir.Module:
    """A module with visible functions for microkernels, by their names behind :data:`native.WRITTEN_OUT`.

    Args:
        names: the microkernels.
        target: the processor that they are for; this one by default.
    """
    vector.know_all()
    module = ir.Module()
    for name in names:
        traced(module, name, target or vector.host()).linkage = ""
    return module


def _microkernel_word(name: str) -> Any:
    arguments = vector.MICROKERNELS[name].arguments

    def rule(*given: Any) -> Any:
        expected: list[Any] = []
        for argument, kind in zip(arguments, given, strict=True):
            if argument.startswith("pointer_"):
                if not isinstance(kind, Pointer) or kind.element != argument.removeprefix("pointer_"):
                    return None
                expected.append(kind)
            else:
                expected.append(VALUE[argument])

        def emit(builder: ir.IRBuilder, context: Any, *values: ir.Value) -> None:
            if vector.MICROKERNELS[name].shared:
                outside = vector.shared_symbol(name)
                function = cgutils.get_or_insert_function(builder.module, _signature(name), outside)
            else:
                function = traced(builder.module, name, vector.host())
            builder.call(function, values)

        return signature(types.void, *expected), emit

    return word(len(arguments), name)(rule)


# -------------------- vectors in kernel texts


def _plain(kind: Any) -> str | None:
    """The dtype of a Numba number."""
    return next((name for name, one in VALUE.items() if one == kind and not name.endswith("float16")), None)


def _wrapped(builder: ir.IRBuilder, kind: Any, value: ir.Value) -> Any:
    if isinstance(kind, Pointer):
        return Place(kind.element, value)
    if isinstance(kind, Vector):
        return Value(builder, kind.element, value)
    return Value(builder, _plain(kind) or "", value)


def _vector_rule(letters: str, compute: Callable[..., Any], result: Callable[..., Any]) -> Callable[..., Any]:
    """The rule of a word; ``result(*types)`` is the Numba type that it gives, or None where the types do not fit."""

    def fits(letter: str, kind: Any) -> bool:
        if letter == "p":
            return isinstance(kind, Pointer) and kind.element in KINDS and kind.element != "bool"
        if letter == "v":
            return isinstance(kind, Vector)
        if letter == "c":
            return isinstance(kind, Vector) and kind.element == "bool"
        return isinstance(kind, types.Integer) if letter == "i" else _plain(kind) is not None

    def rule(*given: Any) -> Any:
        if not all(fits(letter, kind) for letter, kind in zip(letters, given, strict=True)):
            return None
        vectors = {kind for letter, kind in zip(letters, given, strict=True) if letter == "v"}
        pointers = [kind for letter, kind in zip(letters, given, strict=True) if letter == "p"]
        if len(vectors) > 1 or (vectors and pointers and pointers[0].element != next(iter(vectors)).element):
            return None
        expected = tuple(types.int64 if letter == "i" else kind for letter, kind in zip(letters, given, strict=True))

        def emit(builder: ir.IRBuilder, context: Any, *values: ir.Value) -> Any:
            machine = VectorMachine(builder, vector.host())
            made = compute(machine, *(_wrapped(builder, *pair) for pair in zip(expected, values, strict=True)))
            return None if made is None else made.value

        return signature(result(*given), *expected), emit

    return rule


def _of_host(dtype: str) -> Vector:
    return Vector(dtype, vector.host().lanes(dtype))


#: What each word gives, from the types of its arguments.
_RESULTS: dict[str, Callable[..., Any]] = {
    "vector_store": lambda *given: types.void,
    "vector_store_first": lambda *given: types.void,
    "vector_load": lambda pointer, *rest: _of_host(pointer.element),
    "vector_load_first": lambda pointer, *rest: _of_host(pointer.element),
    "vector_repeated": lambda pointer, *rest: _of_host(pointer.element),
    "vector_spread": lambda number: _of_host(_plain(number) or ""),
    "vector_select": lambda condition, a, b: a,
    **dict.fromkeys(("vector_sum", "vector_greatest", "vector_least"), lambda v: VALUE[v.element]),
}


def _same(first: Any, *rest: Any) -> Any:
    return first


def _mathematical_rule(function: mathematics.Function) -> Callable[..., Any]:
    def result(*given: Any) -> Any:
        return Vector(function.results[0], given[0].count)

    inner = _vector_rule("v" * len(function.arguments), function.formula, result)

    def rule(*given: Any) -> Any:
        if tuple(getattr(kind, "element", None) for kind in given) != function.arguments:
            return None
        return inner(*given)

    return rule


def _lanes_rule(dtype: str) -> Callable[..., Any]:
    return lambda: (signature(types.int64), lambda builder, context: I64(vector.host().lanes(dtype)))


def _workspace_rule(dtype: str, size: int) -> Callable[..., Any]:
    kind = Pointer(dtype, True)

    return lambda: (signature(kind), lambda builder, context: _room(builder, dtype, size))


def _room(builder: ir.IRBuilder, dtype: str, size: int) -> ir.Value:
    """A pointer to memory of the function's stack, which holds anything."""
    with builder.goto_entry_block():  # not by cgutils.alloca_once, which fills the memory with zeros
        memory = builder.alloca(ir.ArrayType(MEMORY[dtype], size))
    memory.align = 64
    return builder.bitcast(memory, MEMORY[dtype].as_pointer())


def make(name: str) -> Any:
    """The word ``name`` as Numba sees it; None where it is not about vectors."""
    vector.know_all()
    if name in vector.MICROKERNELS:
        return _microkernel_word(name)
    if name in vector.WORDS:
        letters, compute = vector.WORDS[name]
        return word(len(letters), name)(_vector_rule(letters, compute, _RESULTS.get(name, _same)))
    function = mathematics.FUNCTIONS.get(name.removeprefix("vector_"))
    if name.startswith("vector_") and function is not None and len(function.results) == 1:
        return word(len(function.arguments), name)(_mathematical_rule(function))
    if name.startswith("lanes_") and name.removeprefix("lanes_") in KINDS:
        return word(0, name)(_lanes_rule(name.removeprefix("lanes_")))
    space = vector.workspace_of(name)
    return word(0, name)(_workspace_rule(*space)) if space else None


def _operator(symbol: Callable[..., Any], compares: bool = False, single: bool = False) -> None:
    """Let Numba compile an operator between vectors of one type."""

    @infer_global(symbol)
    class _Typed(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if not all(isinstance(one, Vector) and one == args[0] for one in args) or len(args) != 2 - single:
                return None
            return signature(Vector("bool", args[0].count) if compares else args[0], *args)

    @lower_builtin(symbol, *([Vector] * (2 - single)))
    def _lowered(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return symbol(*(Value(builder, sig.args[0].element, one) for one in args)).value


for _symbol in (operator.add, operator.sub, operator.mul, operator.truediv, operator.and_, operator.or_, operator.xor):
    _operator(_symbol)
for _symbol in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
    _operator(_symbol, compares=True)
_operator(operator.neg, single=True)
assert KINDS["bool"][0] == I1
