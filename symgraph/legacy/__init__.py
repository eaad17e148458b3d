"""The words of Keras 1, as data.

`rules` lists, for each class, method and function, which arguments Keras 1 named otherwise; `accept` is the one
mechanism that applies the list. Nothing else in the package knows an old spelling.
"""
