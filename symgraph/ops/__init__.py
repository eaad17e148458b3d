"""The operations: one declaration each, one file a family. Importing this package declares all of them."""

from symgraph.ops import (  # noqa: F401
    conv,
    ctc,
    cumulate,
    elementwise,
    indexing,
    leaf,
    linalg,
    nn,
    pool,
    printing,
    random,
    reduction,
    scan,
    shape,
)
