"""What takes part in ``symgraph bench``: the workloads, and one module for each framework that does them.

The modules run as plain files (`contestant.py` is the program), also in interpreters that do not have symgraph: they
need NumPy and the framework they are about, and import each other by their bare names.
"""
