"""The parts that exist only for speed, measured with and without: ``python -m benchmarks.parts``.

A decision record that keeps such a part quotes a figure of this table, so that anybody can repeat it. Figures
are CPU time (user and system) of the process that contains the part, the minimum of some interleaved rounds,
because other load on the machine can only add to it.
"""
