"""The reference executor: programs interpreted with NumPy, one step at a time. Slow, plain, and the oracle of tests."""
