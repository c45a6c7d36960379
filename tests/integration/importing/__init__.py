"""Tests of imports. It is a package so that shared fixtures (``scope="package"``) end with its last test."""
