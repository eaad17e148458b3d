"""How layers are connected: one `Node` for each call of a layer on tensors.

A tensor that a layer made remembers it in `_keras_history = (layer, node_index, tensor_index)`; the node holds the
layer's inputs and so leads further back. These are the nodes of the *model's* graph; the nodes of the computation
(`symgraph.graph.node`) are another, finer graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symgraph.engine.old_attributes import LayerAttributes
from symgraph.utils.generic_utils import unpack_singleton

if TYPE_CHECKING:
    from symgraph.engine.layer import Layer

__all__ = ["Node", "NodeAccess", "get_source_inputs"]


class Node:
    """One call of a layer.

    # Attributes
        outbound_layer: the layer that was called.
        inbound_layers: for each input, the layer it comes from.
        node_indices, tensor_indices: for each input, which call and which output of that layer it is.
        input_tensors, output_tensors, input_masks, output_masks, input_shapes, output_shapes: lists, one item a tensor.
        arguments: further keyword arguments of the call.
    """

    def __init__(self, outbound_layer: Layer, inbound_layers: list, node_indices: list, tensor_indices: list,
                 input_tensors: list, output_tensors: list, input_masks: list, output_masks: list,
                 input_shapes: list, output_shapes: list, arguments: dict | None = None):
        self.outbound_layer = outbound_layer
        self.inbound_layers = inbound_layers
        self.node_indices = node_indices
        self.tensor_indices = tensor_indices
        self.input_tensors = input_tensors
        self.output_tensors = output_tensors
        self.input_masks = input_masks
        self.output_masks = output_masks
        self.input_shapes = input_shapes
        self.output_shapes = output_shapes
        self.arguments = arguments or {}
        for layer in inbound_layers:
            if layer is not None:
                layer._outbound_nodes.append(self)
        outbound_layer._inbound_nodes.append(self)

    def inbound_nodes(self) -> list[Node]:
        """The nodes that the inputs come from (inputs that no layer made have none)."""
        pairs = zip(self.inbound_layers, self.node_indices)
        return [layer._inbound_nodes[index] for layer, index in pairs if layer is not None]

    def get_config(self) -> dict:
        return {
            "outbound_layer": self.outbound_layer.name,
            "inbound_layers": [layer.name for layer in self.inbound_layers if layer is not None],
            "node_indices": self.node_indices,
            "tensor_indices": self.tensor_indices,
        }


def connect(layer: Layer, inputs: list, outputs: list, input_masks: list, output_masks: list, input_shapes: list,
            output_shapes: list, arguments: dict | None = None) -> Node:
    """Record a call of `layer` and write the history into its output tensors."""
    histories = [getattr(tensor, "_keras_history", None) or (None, None, None) for tensor in inputs]
    for position, tensor in enumerate(outputs):
        tensor._keras_history = (layer, len(layer._inbound_nodes), position)
        tensor._keras_shape = output_shapes[position]
        if any(getattr(source, "_uses_learning_phase", False) for source in inputs) or layer.uses_learning_phase:
            tensor._uses_learning_phase = True
    layers, nodes, tensors = (list(column) for column in zip(*histories)) if histories else ([], [], [])
    return Node(layer, layers, nodes, tensors, inputs, outputs, input_masks, output_masks, input_shapes,
                output_shapes, arguments)


class NodeAccess(LayerAttributes):
    """The part of a layer that answers questions about its calls: `input`, `output_shape`, `get_output_at` ..."""

    name: str
    _inbound_nodes: list[Node]

    def _at_node(self, node_index: int, attribute: str, what: str) -> Any:
        if not self._inbound_nodes:
            raise RuntimeError(
                f"The layer {self.name!r} has never been called and thus has no defined {what}. "
                "Call it on a tensor first: `y = layer(x)`."
            )
        if not -len(self._inbound_nodes) <= node_index < len(self._inbound_nodes):
            raise ValueError(
                f"Asked to get {what} at node {node_index}, but the layer {self.name!r} has only "
                f"{len(self._inbound_nodes)} inbound nodes."
            )
        return unpack_singleton(getattr(self._inbound_nodes[node_index], attribute))

    def _only(self, attribute: str, what: str) -> Any:
        if len(self._inbound_nodes) > 1:
            raise AttributeError(
                f'Layer {self.name} has multiple inbound nodes, hence the notion of "layer {what}" is ill-defined. '
                f"Use `get_{what.replace(' ', '_')}_at(node_index)` instead."
            )
        if not self._inbound_nodes:
            raise AttributeError(f"Layer {self.name} is not connected, no {what} to return.")
        return self._at_node(0, attribute, what)

    def _only_shape(self, attribute: str, what: str) -> Any:
        if not self._inbound_nodes:
            raise AttributeError(f"The layer {self.name} has never been called and thus has no defined {what} shape.")
        shapes = {str(getattr(node, attribute)) for node in self._inbound_nodes}
        if len(shapes) > 1:
            raise AttributeError(
                f'The layer {self.name} has multiple inbound nodes with different {what} shapes. Hence the notion of '
                f'"{what} shape" is ill-defined for the layer. Use `get_{what}_shape_at(node_index)` instead.'
            )
        return self._at_node(0, attribute, f"{what} shape")

    def get_input_shape_at(self, node_index: int) -> Any:
        """Shape (or list of shapes) of the input of one call."""
        return self._at_node(node_index, "input_shapes", "input shape")

    def get_output_shape_at(self, node_index: int) -> Any:
        """Shape (or list of shapes) of the output of one call."""
        return self._at_node(node_index, "output_shapes", "output shape")

    def get_input_at(self, node_index: int) -> Any:
        """Input tensor (or list) of one call."""
        return self._at_node(node_index, "input_tensors", "input")

    def get_output_at(self, node_index: int) -> Any:
        """Output tensor (or list) of one call."""
        return self._at_node(node_index, "output_tensors", "output")

    def get_input_mask_at(self, node_index: int) -> Any:
        """Input mask (or list) of one call."""
        return self._at_node(node_index, "input_masks", "input mask")

    def get_output_mask_at(self, node_index: int) -> Any:
        """Output mask (or list) of one call."""
        return self._at_node(node_index, "output_masks", "output mask")

    @property
    def input(self) -> Any:
        """The input tensor(s), for a layer that was called once."""
        return self._only("input_tensors", "input")

    @property
    def output(self) -> Any:
        """The output tensor(s), for a layer that was called once."""
        return self._only("output_tensors", "output")

    @property
    def input_mask(self) -> Any:
        """The input mask(s), for a layer that was called once."""
        return self._only("input_masks", "input mask")

    @property
    def output_mask(self) -> Any:
        """The output mask(s), for a layer that was called once."""
        return self._only("output_masks", "output mask")

    @property
    def input_shape(self) -> Any:
        """The input shape(s), if all calls have the same."""
        return self._only_shape("input_shapes", "input")

    @property
    def output_shape(self) -> Any:
        """The output shape(s), if all calls have the same."""
        return self._only_shape("output_shapes", "output")


def get_source_inputs(tensor: Any, layer: Layer | None = None, node_index: int | None = None) -> list:
    """The input tensors that a tensor is computed from."""
    if not hasattr(tensor, "_keras_history") or tensor._keras_history is None:
        return [tensor]
    if layer is None or node_index:
        layer, node_index, _ = tensor._keras_history
    sources: list = []
    seen: set[int] = set()
    stack = [layer._inbound_nodes[node_index or 0]]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if not node.inbound_layers or all(inbound is None for inbound in node.inbound_layers):
            found = node.input_tensors if node.inbound_layers else node.output_tensors
            sources += [t for t in found if not any(t is known for known in sources)]
        stack += reversed(node.inbound_nodes())
    return sources
