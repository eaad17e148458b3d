"""What each operation means, in NumPy: one file a family. Importing this package fills the table."""

from symgraph.backends.reference.lower import (  # noqa: F401
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
