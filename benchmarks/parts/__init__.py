"""Measures the parts that exist only for speed, with and without each: ``python -m benchmarks.parts``.

A decision record that keeps such a part quotes a figure of this table, which can be measured again. Figures
are CPU time (user and system) of the process that contains the part, the minimum of some interleaved rounds,
because other load on the machine can only add to it.
"""
