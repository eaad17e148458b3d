"""The thread pool among those that threadpoolctl limits: ``with threadpool_limits(4): model.fit(...)``."""

from __future__ import annotations

import sys

from symgraph import config

__all__ = ["register"]


_registered = False


def register() -> bool:
    """Make threadpoolctl know the thread pool, once the program has imported threadpoolctl; False before that.

    threadpoolctl looks for shared libraries by their names.  The pool's code is generated, so it goes under the name of
    the library that every process with native kernels has loaded, LLVM's.
    """
    global _registered
    if _registered or "threadpoolctl" not in sys.modules:
        return _registered
    import threadpoolctl

    class SymgraphController(threadpoolctl.LibController):
        """The threads of symgraph's CPU executor."""

        user_api = "symgraph"
        internal_api = "symgraph"
        filename_prefixes = ("libllvmlite", "llvmlite")

        def get_num_threads(self) -> int:
            """Return the number of threads that functions use from their next call on."""
            return config.threads()

        def set_num_threads(self, num_threads: int) -> None:
            """Set it."""
            config.set_threads(num_threads)

        def get_version(self) -> str:
            """Return the version of symgraph."""
            import symgraph

            return symgraph.__version__

        def set_additional_attributes(self) -> None:
            """There are none."""

    threadpoolctl.register(SymgraphController)
    _registered = True
    return True
