"""Moving in: plan what goes where, run the plan, prove the result, clear the source.

See docs/moving-in.md. The modules are loaded only by commands of ``strongroom migrate``.
"""
