"""Drawings of models, by pydot and Graphviz (both are loaded when a drawing is asked for)."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["add_edge", "is_model", "is_wrapped_model", "model_to_dot", "plot_model"]


def _pydot(needs_graphviz: bool) -> Any:
    """The module pydot.

    # Raises
        ImportError: it is not installed.
        OSError: Graphviz, which makes the pictures, is not.
    """
    try:
        import pydot
    except ImportError as error:
        raise ImportError("Failed to import `pydot`, which drawings of models need. Please install it: pip install "
                          "'symgraph[plot]' (or pip install pydot)") from error
    if needs_graphviz:
        try:
            pydot.Dot.create(pydot.Dot())
        except OSError as error:
            raise OSError("`pydot` failed to call GraphViz. Please install GraphViz (https://www.graphviz.org/) and "
                          "ensure that its executables are in the $PATH. (`model_to_dot` works without.)") from error
    return pydot


def is_model(layer: Any) -> bool:
    """Whether a layer is a model."""
    from symgraph.engine.network import Network

    return isinstance(layer, Network)


def is_wrapped_model(layer: Any) -> bool:
    """Whether a layer is a wrapper around a model."""
    from symgraph.layers import Wrapper

    return isinstance(layer, Wrapper) and is_model(layer.layer)


def add_edge(dot: Any, src: str, dst: str) -> None:
    """Draw an edge between two nodes, unless there is one."""
    import pydot

    if not dot.get_edge(src, dst):
        dot.add_edge(pydot.Edge(src, dst))


def model_to_dot(model: Any, show_shapes: bool = False, show_layer_names: bool = True, rankdir: str = "TB",
                 expand_nested: bool = False, dpi: int = 96, subgraph: bool = False) -> Any:
    """A drawing of a model, for pydot.

    # Arguments
        model: the model.
        show_shapes: whether each layer shows the shapes of its inputs and outputs.
        show_layer_names: whether it shows its name.
        rankdir: direction: 'TB' (from the top down) or 'LR' (from the left to the right).
        expand_nested: whether models in the model are drawn with their layers, in a frame.
        dpi: dots an inch, of pictures made from it.
        subgraph: whether to make a part of another drawing (`pydot.Cluster`).

    # Returns
        A `pydot.Dot`, or a `pydot.Cluster`.

    # Raises
        ImportError: pydot is not installed.
        ValueError: the model has no graph: it was not built, or has a `call` of its own.
    """
    pydot = _pydot(needs_graphviz=False)
    if subgraph:
        graph = pydot.Cluster(style="dashed", graph_name=_quoted(model.name))
        graph.set("label", _quoted(model.name))
        graph.set("labeljust", "l")
    else:
        graph = pydot.Dot()
        graph.set("rankdir", rankdir)
        graph.set("concentrate", True)
        graph.set("dpi", dpi)
        graph.set_node_defaults(shape="record")
    _Drawing(pydot, show_shapes, show_layer_names, expand_nested).draw(model, graph, "")
    return graph


def _quoted(name: str) -> str:
    return '"' + name.replace('"', "'") + '"'


class _Drawing:
    """Draws the layers of a model, and those of models in it."""

    def __init__(self, pydot: Any, show_shapes: bool, show_layer_names: bool, expand_nested: bool):
        self.pydot = pydot
        self.show_shapes, self.show_layer_names, self.expand_nested = show_shapes, show_layer_names, expand_nested

    def draw(self, model: Any, graph: Any, place: str) -> tuple[list[str], list[str]]:
        """Draw the layers of a model into a graph.

        # Arguments
            place: what the names of its nodes begin with: a model may stand in several places.

        # Returns
            The names of the nodes of its inputs, and of its outputs.
        """
        if getattr(model, "_nodes_by_depth", None) is None and hasattr(model, "build") and hasattr(model, "add"):
            model.build()
        if getattr(model, "_nodes_by_depth", None) is None:
            raise ValueError(f"model_to_dot: the model {model.name!r} has no graph of layers: it has not been built, "
                             "or its `call` is Python code.")
        begins: dict[int, list[str]] = {}
        ends: dict[int, list[str]] = {}
        for layer in model._layers:
            name = f"{place}{id(layer)}"
            inner = layer.layer if is_wrapped_model(layer) else layer if is_model(layer) else None
            if inner is not None and self.expand_nested and getattr(inner, "_nodes_by_depth", None) is not None:
                label = f"{layer.name}({inner.name})" if inner is not layer else layer.name
                part = self.pydot.Cluster(style="dashed", graph_name=_quoted(name), label=_quoted(label), labeljust="l")
                begins[id(layer)], ends[id(layer)] = self.draw(inner, part, f"{name}_")
                graph.add_subgraph(part)
            else:
                graph.add_node(self.pydot.Node(name, label=self._label(layer)))
                begins[id(layer)] = ends[id(layer)] = [name]
        for layer in model._layers:
            for node in layer._inbound_nodes:
                if id(node) not in model._node_ids:
                    continue
                for position, source in enumerate(node.inbound_layers):
                    targets = begins[id(layer)]
                    target = targets[min(position, len(targets) - 1)]
                    for start in self._outputs_used(ends[id(source)], node, position):
                        add_edge(graph, start, target)
        return ([one for layer in model._input_layers for one in begins[id(layer)]],
                [one for layer in model._output_layers for one in ends[id(layer)]])

    @staticmethod
    def _outputs_used(names: list[str], node: Any, position: int) -> list[str]:
        return [names[min(node.tensor_indices[position], len(names) - 1)]]

    def _label(self, layer: Any) -> str:
        """What stands in the box of a layer."""
        from symgraph.layers import Wrapper

        name, kind = layer.name, type(layer).__name__
        if isinstance(layer, Wrapper):
            name, kind = f"{name}({layer.layer.name})", f"{kind}({type(layer.layer).__name__})"
        text = _escaped(f"{name}: {kind}" if self.show_layer_names else kind)
        if not self.show_shapes:
            return f'"{text}"'
        shapes = [_escaped(_shape(layer, attribute)) for attribute in ("input_shape", "output_shape")]
        return f'"{text}|{{input:|output:}}|{{{{{shapes[0]}}}|{{{shapes[1]}}}}}"'


def _shape(layer: Any, attribute: str) -> str:
    try:
        shape = getattr(layer, attribute)
    except AttributeError:
        return "multiple"
    return ", ".join(map(str, shape)) if isinstance(shape, list) else str(shape)


def _escaped(text: str) -> str:
    """Text in which nothing has a meaning for Graphviz' records."""
    return "".join(f"\\{letter}" if letter in '\\{}|<>"' else letter for letter in text)


def plot_model(model: Any, to_file: Any = "model.png", show_shapes: bool = False, show_layer_names: bool = True,
               rankdir: str = "TB", expand_nested: bool = False, dpi: int = 96) -> Any:
    """Draw a model into a file.

    # Arguments
        to_file: the file; its ending is the format ('png', 'svg', 'pdf' ...; 'dot' needs no Graphviz).

    The other arguments are those of `model_to_dot`.

    # Returns
        The picture, for a notebook, where IPython is installed and it can show the format; else None.

    # Raises
        ImportError: pydot is not installed.
        OSError: Graphviz is not, or the file cannot be written.
    """
    _, ending = os.path.splitext(os.fspath(to_file))
    ending = ending[1:].lower() or "png"
    text_only = ending in {"dot", "gv"}
    _pydot(needs_graphviz=not text_only)
    dot = model_to_dot(model, show_shapes, show_layer_names, rankdir, expand_nested, dpi)
    dot.write(os.fspath(to_file), format="raw" if text_only else ending)
    if ending not in {"png", "jpg", "jpeg", "gif"}:
        return None
    try:
        from IPython import display
    except ImportError:
        return None
    return display.Image(filename=os.fspath(to_file))
