"""Lazy optimizers: rows of a table that no lookup read keep their values and their averages."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import constraints, optimizers
from symgraph.compiler.memory import lifetimes
from symgraph.graph.type import evaluate
from symgraph.layers import Dense, Embedding, Flatten, Input, concatenate
from symgraph.models import Model, Sequential, load_model
from symgraph.runtime.executor import use

ROWS, WIDTH = 50, 8
BATCHES = [[[3, 5, 3], [3, -1, 0]], np.zeros((0, 3), int), [[1, 2, 3], [49, 49, 49]], [[4, 5, 6]], [[7, 7, 7]]]
ALL = {
    "SGD": {"momentum": 0.9}, "Nesterov": {"momentum": 0.9, "nesterov": True}, "RMSprop": {}, "Adagrad": {},
    "Adadelta": {}, "Adam": {}, "AMSGrad": {"amsgrad": True}, "AdamW": {}, "Lion": {}, "Adamax": {}, "Nadam": {},
}  # fmt: skip
CLASS = {"Nesterov": "SGD", "AMSGrad": "Adam"}


@pytest.fixture
def wide():
    """Learning rates and the like are variables of the float type: with doubles, they are the numbers of PyTorch."""
    K.set_floatx("float64")
    yield
    K.set_floatx("float32")


def start():
    return np.random.RandomState(0).normal(size=(ROWS, WIDTH))


def weights(indices):
    return np.random.RandomState(len(indices)).normal(size=(*np.shape(indices), WIDTH))


def dense(indices):
    result = np.zeros((ROWS, WIDTH))
    np.add.at(result, np.reshape(indices, -1).astype(int), weights(indices).reshape(-1, WIDTH))
    return result


def make(optimizer, dtype="float64", constraint=None):
    """A table, and the function of a step whose gradient is that of sum(weights * table[indices])."""
    table = K.variable(start(), dtype=dtype)
    table.constraint = constraint
    indices, factors = K.placeholder((None, 3), dtype="int32"), K.placeholder((None, 3, WIDTH), dtype=dtype)
    loss = K.sum(K.gather(table, indices) * factors)
    return table, K.function([indices, factors], [loss], updates=optimizer.get_updates(loss, [table]))


def create(name, **options):
    return getattr(optimizers, CLASS.get(name, name))(learning_rate=0.05, **ALL[name], **options)


def tables_of(optimizer, table):
    """The table and what the optimizer keeps for it."""
    kept = [variable for variable in optimizer.weights if K.int_shape(variable) == (ROWS, WIDTH)]
    return [np.array(K.get_value(variable)) for variable in (table, *kept)]


@pytest.mark.parametrize("executor", ["numpy", "numba"])
@pytest.mark.parametrize("name", ALL)
def test_rows_that_were_read_move_as_ever_and_the_others_stay(name, executor):
    """Each step is one of the exact optimizer, from the same state, for the rows used; the other rows stay."""
    with use(executor):
        lazy, exact = create(name, lazy=True), create(name)
        table, step = make(lazy)
        other, other_step = make(exact)
        for indices in BATCHES:
            before = tables_of(lazy, table)
            K.set_value(other, before[0])
            exact.set_weights(lazy.get_weights())
            step([indices, weights(indices)])
            other_step([indices, weights(indices)])
            used = np.isin(np.arange(ROWS), np.reshape(indices, -1).astype(int) % ROWS)
            for old, got, moved in zip(before, tables_of(lazy, table), tables_of(exact, other), strict=True):
                np.testing.assert_array_equal(got[~used], old[~used])
                np.testing.assert_allclose(got[used], moved[used], rtol=1e-12, atol=1e-15)
            assert K.get_value(lazy.iterations) == K.get_value(exact.iterations)
    assert not np.array_equal(K.get_value(table), start())


@pytest.mark.parametrize("name", ALL)
def test_a_lazy_step_touches_only_the_rows_used(name):
    table, step = make(create(name, lazy=True))
    step([BATCHES[0], weights(BATCHES[0])])
    variant, sizes = step.example()
    program = variant.program
    large = {k for k, buffer in enumerate(program.buffers) if evaluate(buffer.size, sizes) >= ROWS * WIDTH}
    assert not large & set(lifetimes(program))  # no temporary is as large as the table
    by_rows = [each for each in program.steps if each.name == "fused_rows"]
    assert by_rows and all(evaluate(each.inputs[-1].size, sizes) == np.size(BATCHES[0]) for each in by_rows)
    for each in program.steps:
        touched = {view.buffer for view in each.views() if evaluate(view.size, sizes) >= ROWS * WIDTH}
        assert each in by_rows or each.name == "gather" or not touched & large


def test_against_the_sparse_adam_of_torch(wide):
    torch = pytest.importorskip("torch")
    table, step = make(optimizers.Adam(0.05, epsilon=1e-8, lazy=True))
    other = torch.nn.Embedding(ROWS, WIDTH, sparse=True, dtype=torch.float64, _weight=torch.tensor(start()))
    theirs = torch.optim.SparseAdam(other.parameters(), lr=0.05, eps=1e-8)
    for indices in [*BATCHES[:1], *BATCHES[2:]] * 3:
        indices = np.asarray(indices) % ROWS
        step([indices, weights(indices)])
        theirs.zero_grad()
        (other(torch.tensor(indices)) * torch.tensor(weights(indices))).sum().backward()
        theirs.step()
    np.testing.assert_allclose(K.get_value(table), other.weight.detach().numpy(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("ours, theirs, options", [
    (lambda: optimizers.Adagrad(0.05, epsilon=1e-10), "Adagrad", {"eps": 1e-10}),
    (lambda: optimizers.SGD(0.05, momentum=0.9), "SGD", {"momentum": 0.9}),
    (lambda: optimizers.RMSprop(0.05, epsilon=1e-8), "RMSprop", {"alpha": 0.9, "eps": 1e-8}),
])  # fmt: skip
def test_exact_steps_against_torch(ours, theirs, options, wide):
    """The default moves all rows, as a dense gradient does."""
    torch = pytest.importorskip("torch")
    table, step = make(ours())
    other = torch.nn.Embedding(ROWS, WIDTH, dtype=torch.float64, _weight=torch.tensor(start()))
    optimizer = getattr(torch.optim, theirs)(other.parameters(), lr=0.05, **options)
    for indices in [*BATCHES[:1], *BATCHES[2:]] * 3:
        indices = np.asarray(indices) % ROWS
        step([indices, weights(indices)])
        optimizer.zero_grad()
        (other(torch.tensor(indices)) * torch.tensor(weights(indices))).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(K.get_value(table), other.weight.detach().numpy(), rtol=1e-11, atol=1e-13)


def test_exact_adam_against_torch(wide):
    """PyTorch adds epsilon to the corrected root, Keras to the plain one: with an epsilon of 0 they are one method."""
    torch = pytest.importorskip("torch")
    table, step = make(optimizers.Adam(0.05, epsilon=1e-300))
    other = torch.nn.Embedding(ROWS, WIDTH, dtype=torch.float64, _weight=torch.tensor(start()))
    optimizer = torch.optim.Adam(other.parameters(), lr=0.05, eps=1e-300)
    for indices in [*BATCHES[:1], *BATCHES[2:]] * 3:
        indices = np.asarray(indices) % ROWS
        step([indices, weights(indices)])
        optimizer.zero_grad()
        (other(torch.tensor(indices)) * torch.tensor(weights(indices))).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(K.get_value(table), other.weight.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [{"clipnorm": 0.5}, {"clipvalue": 0.1}])
def test_clipping(options):
    """The norm is that of the whole gradient."""
    table, step = make(optimizers.SGD(1.0, lazy=True, **options))
    step([BATCHES[0], weights(BATCHES[0])])
    grad = dense(BATCHES[0])
    grad = np.clip(grad, -0.1, 0.1) if "clipvalue" in options else grad * 0.5 / np.linalg.norm(grad)
    np.testing.assert_allclose(K.get_value(table), start() - grad, rtol=1e-10, atol=1e-13)


def test_constraints_act_on_the_rows_used():
    table, step = make(optimizers.SGD(0.1, lazy=True), constraint=constraints.UnitNorm(axis=1))
    step([BATCHES[0], weights(BATCHES[0])])
    norms = np.linalg.norm(K.get_value(table), axis=1)
    used = np.isin(np.arange(ROWS), [0, 3, 5, 49])
    np.testing.assert_allclose(norms[used], 1, rtol=1e-6)
    np.testing.assert_array_equal(K.get_value(table)[~used], start()[~used])


def test_a_table_that_is_read_otherwise_moves_as_a_whole():
    found = []
    for lazy in (True, False):
        table = K.variable(start(), dtype="float64")
        indices = K.placeholder((None,), dtype="int32")
        loss = K.sum(K.square(K.gather(table, indices))) + 0.01 * K.sum(K.square(table))
        K.function([indices], [], updates=optimizers.Adam(0.05, lazy=lazy).get_updates(loss, [table]))([[1, 2]])
        found.append(K.get_value(table))
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != start()).all()


def test_a_shared_layer_uses_the_rows_of_all_its_inputs():
    shared = Embedding(ROWS, WIDTH, input_length=2)
    first, second = Input((2,), dtype="int32"), Input((2,), dtype="int32")
    model = Model([first, second], Dense(1)(Flatten()(concatenate([shared(first), shared(second)]))))
    model.compile(optimizers.Adam(0.1, lazy=True), "mse")
    before, others = model.get_weights()[0], model.get_weights()[1]
    model.train_on_batch([np.array([[1, 2]]), np.array([[2, 9]])], np.array([[1.0]]))
    moved = (model.get_weights()[0] != before).any(axis=1)
    assert np.flatnonzero(moved).tolist() == [1, 2, 9]
    assert (model.get_weights()[1] != others).any()  # other weights are as ever


def test_a_model_keeps_it(tmp_path):
    model = Sequential([Embedding(ROWS, WIDTH, input_length=3), Flatten(), Dense(1)])
    model.compile(optimizers.Adam(0.01, lazy=True), "mse")
    x, y = np.random.randint(0, ROWS, (8, 3)), np.random.rand(8, 1)
    model.fit(x, y, epochs=2, verbose=0)
    model.save(str(tmp_path / "model.h5"))
    read = load_model(str(tmp_path / "model.h5"))
    assert read.optimizer.lazy is True
    for each in (model, read):
        each.fit(x, y, epochs=2, shuffle=False, verbose=0)
    for ours, theirs in zip(model.get_weights(), read.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_argument():
    assert optimizers.Adam(lazy=True).get_config()["lazy"] is True
    assert optimizers.Adam.from_config(optimizers.Adam(lazy=True).get_config()).lazy
    assert "lazy" not in optimizers.Adam().get_config()  # Keras does not know it
    assert not optimizers.RMSprop().lazy
    with pytest.raises(TypeError, match="Adam: `lazy` must be True or False, got 'yes'"):
        optimizers.Adam(lazy="yes")
