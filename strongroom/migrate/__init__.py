"""Moving in: a plan of what goes where, its run, its proof, and the clearing of the source. See
docs/moving-in.md. Nothing here is loaded before a command of ``strongroom migrate`` needs it.
"""
