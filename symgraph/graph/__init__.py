"""The static graph: types with symbolic dimensions, interned nodes, and the handles that users hold."""
