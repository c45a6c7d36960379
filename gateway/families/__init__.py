"""The families of the REST surface. Each folder holds a family's routes, the shapes of its bodies and
answers, and its part of the OpenAPI document. ``gateway.surface`` lists all families.
"""
