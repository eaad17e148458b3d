"""Drawings of models: boxes, edges, frames; and what is said where a program is missing."""

import sys

import pytest

from symgraph.keras1.utils import visualize_util
from symgraph.layers import LSTM, Add, Bidirectional, Dense, Embedding, Input, TimeDistributed
from symgraph.models import Model, Sequential
from symgraph.utils import model_to_dot, plot_model, vis_utils

pydot = pytest.importorskip("pydot")


def _labels(graph):
    return [node.get_label() for node in graph.get_nodes() if node.get_label()]


def _branches():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    inner_in = Input((3,), name="inner_in")
    inner = Model(inner_in, Dense(3, name="inner_out")(inner_in), name="inner")
    shared = Dense(3, name="shared")
    total = Add(name="total")([inner(shared(a)), shared(b)])
    return Model([a, b], total, name="outer")


def test_boxes_and_edges():
    graph = model_to_dot(_branches(), show_shapes=True, rankdir="LR", dpi=50)
    labels = _labels(graph)
    assert len(labels) == 5 and len(graph.get_edges()) == 5
    assert graph.get_rankdir() == "LR" and str(graph.get("dpi")) == "50"
    assert '"shared: Dense|{input:|output:}|{{(None, 3)}|{(None, 3)}}"' in labels
    assert '"total: Add|{input:|output:}|{{(None, 3), (None, 3)}|{(None, 3)}}"' in labels
    assert '"Add"' in _labels(model_to_dot(_branches(), show_layer_names=False))


def test_a_model_in_a_frame():
    graph = model_to_dot(_branches(), expand_nested=True)
    (frame,) = graph.get_subgraphs()
    assert frame.get_label() == '"inner"' and '"inner_out: Dense"' in _labels(frame)
    assert len(_labels(graph)) == 4 and len(_labels(frame)) == 2 and len(graph.get_edges()) == 5
    inside = {node.get_name() for node in frame.get_nodes()}
    into = [edge for edge in graph.get_edges() if edge.get_destination() in inside]
    out = [edge for edge in graph.get_edges() if edge.get_source() in inside]
    assert len(into) == len(out) == 1 and into[0].get_destination() != out[0].get_source()
    assert isinstance(model_to_dot(_branches(), subgraph=True), pydot.Cluster)


def test_wrappers_and_sequences():
    model = Sequential([Embedding(5, 4, input_length=3, name="words"), Bidirectional(LSTM(2, return_sequences=True,
                        name="steps"), name="both"), TimeDistributed(Sequential([Dense(2, input_dim=4, name="d")],
                                                                                name="inner"), name="each")])
    labels = _labels(model_to_dot(model))
    assert '"words: Embedding"' in labels and '"both(steps): Bidirectional(LSTM)"' in labels
    assert '"each(inner): TimeDistributed(Sequential)"' in labels
    assert vis_utils.is_wrapped_model(model.layers[2]) and not vis_utils.is_wrapped_model(model.layers[1])
    assert vis_utils.is_model(model) and not vis_utils.is_model(model.layers[0])
    (frame,) = model_to_dot(model, expand_nested=True).get_subgraphs()
    assert frame.get_label() == '"each(inner)"' and '"d: Dense"' in _labels(frame)
    assert len(_labels(visualize_util.model_to_dot(model, show_shapes=True))) == 4


def test_names_with_signs_of_graphviz(tmp_path):
    model = Sequential([Dense(1, input_dim=2, name='a{b}|<c>"')])
    plot_model(model, to_file=tmp_path / "model.dot")
    assert r'a\{b\}\|\<c\>\"' in (tmp_path / "model.dot").read_text()


def test_what_is_missing_is_said(monkeypatch, tmp_path):
    model = Sequential([Dense(1, input_dim=2)])

    def no_program(*args, **kwargs):
        raise FileNotFoundError('"dot" not found in path.')

    with monkeypatch.context() as patch:
        patch.setattr(pydot.Dot, "create", no_program)
        with pytest.raises(OSError, match="Please install GraphViz"):
            plot_model(model, to_file=str(tmp_path / "model.png"))
        with pytest.raises(OSError, match="Please install GraphViz"):
            visualize_util.plot(model, to_file=str(tmp_path / "model.png"))
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(ImportError, match="pip install 'symgraph\\[plot\\]'"):
        model_to_dot(model)


def test_a_picture(tmp_path, monkeypatch):
    """Where Graphviz is not installed, what would be handed to it."""
    model, written = Sequential([Dense(1, input_dim=2)]), []
    monkeypatch.setattr(pydot.Dot, "create", lambda *args, **kwargs: b"")
    monkeypatch.setattr(pydot.Dot, "write", lambda self, path, format: written.append((path, format)))
    monkeypatch.setitem(sys.modules, "IPython", None)
    for name, form in (("m.png", "png"), ("m.svg", "svg"), ("m", "png")):
        assert plot_model(model, to_file=str(tmp_path / name)) is None
        assert written[-1] == (str(tmp_path / name), form)


def test_a_model_without_a_graph():
    class Own(Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="has no graph of layers"):
        model_to_dot(Own())
    with pytest.raises(ValueError, match="has no graph|not been built|build"):
        model_to_dot(Sequential([Dense(1)]))
