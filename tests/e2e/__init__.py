"""Tests of a whole stack. It is a package so that shared fixtures (``scope="package"``) end with its last
test.
"""
