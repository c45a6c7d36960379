"""What is there for speed alone, with it and without it: ``python -m benchmarks.parts``.

A decision record that keeps such a part quotes a figure of this table, so that anybody can repeat it. Figures
are CPU time (user and system) of the process that the part lives in, the least of some interleaved rounds:
what else the machine does only adds.
"""
