"""The families of the REST surface. A family's folder holds its routes, the shapes of its bodies and answers,
and its part of the OpenAPI document; ``gateway.surface`` lists them all.
"""
