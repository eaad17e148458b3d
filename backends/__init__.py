if __name__ != "symgraph.backends":  # a bare `import backends` from the repository root would load a second copy
    raise ImportError(f"this folder is the package symgraph.backends; write that instead of `import {__name__}`")
