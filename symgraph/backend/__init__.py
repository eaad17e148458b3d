"""K, the backend namespace: thin functions that build graphs, under the names of Keras 2.3.1 and Keras 1.2.

    from symgraph import backend as K

    x = K.placeholder(shape=(None, 3))
    f = K.function([x], [K.sum(K.square(x), axis=-1)])
    f([[[1.0, 2.0, 3.0]]])
"""

from symgraph import config
from symgraph.backend.control import *  # noqa: F403
from symgraph.backend.conv import *  # noqa: F403
from symgraph.backend.creation import *  # noqa: F403

# The submodule of this name has taken the function's place by now.
from symgraph.backend.creation import shape as shape
from symgraph.backend.ctc import *  # noqa: F403
from symgraph.backend.linalg import *  # noqa: F403
from symgraph.backend.math import *  # noqa: F403
from symgraph.backend.nn import *  # noqa: F403
from symgraph.backend.printing import *  # noqa: F403
from symgraph.backend.random import *  # noqa: F403
from symgraph.backend.reduction import *  # noqa: F403
from symgraph.backend.shape import *  # noqa: F403
from symgraph.backend.spatial import *  # noqa: F403
from symgraph.config import (  # noqa: F401
    cast_to_floatx,
    epsilon,
    floatx,
    image_data_format,
    image_dim_ordering,
    set_epsilon,
    set_floatx,
    set_image_data_format,
    set_image_dim_ordering,
)
from symgraph.legacy.accept import accept_functions


def backend() -> str:
    """Return the name of the executor that is configured: "numba", "cupy", "numpy" or another."""
    return config.executor_name()


accept_functions(globals(), "backend.")  # the arguments that Keras 1 named otherwise
config.announce()

