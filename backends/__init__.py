if __name__ != "symgraph.backends":  # a bare `import backends` from the repository root would load a second copy
    raise ImportError(f"this folder is the package symgraph.backends: write `import symgraph.backends`, not `import {__name__}`")
