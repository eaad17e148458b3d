"""Running compiled graphs: functions, executors, and where the values of variables live."""

from symgraph.runtime.explain import explain

__all__ = ["explain"]
