# NumPy only: what "along an axis" means.
import numpy as np

a = np.array([[1,2],[3,4]])
sum0 = np.sum(a, axis=0)
sum1 = np.sum(a, axis=1)

print(sum0)
print(sum1)

assert sum0.tolist() == [4, 6] and sum1.tolist() == [3, 7]
