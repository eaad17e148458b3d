"""Layers, networks, models and the training loop."""

from symgraph.engine.connectivity import Node, get_source_inputs
from symgraph.engine.input_layer import Input, InputLayer
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer
from symgraph.engine.model import Model
from symgraph.engine.network import Network
from symgraph.engine.sequential import Sequential

__all__ = ["Input", "InputLayer", "InputSpec", "Layer", "Model", "Network", "Node", "Sequential", "get_source_inputs"]
