"""How operations become calls of kernels and libraries: one file a family. Importing this package fills the table."""

from symgraph.backends.gpu.lower import (  # noqa: F401
    conv,
    ctc,
    cumulate,
    elementwise,
    indexing,
    linalg,
    pool,
    random,
    reduction,
)
