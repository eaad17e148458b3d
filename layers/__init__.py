if __name__ != "symgraph.layers":  # a bare `import layers` from the repository root would load a second copy
    raise ImportError(f"this folder is the package symgraph.layers: write `import symgraph.layers`, not `import {__name__}`")
