"""The table of cases: for every operation, what to feed it and what must come out. The tests in tests/ops walk it."""

from cases import elementwise, sequences, structure, windows  # noqa: F401  each adds its cases
from cases.base import TABLE, TOLERANCE, Case, Sample, dtype_of, wide

CASES = tuple(TABLE.cases)

__all__ = ["CASES", "TOLERANCE", "Case", "Sample", "dtype_of", "wide"]
