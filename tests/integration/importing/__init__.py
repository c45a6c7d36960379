"""Tests of imports. A package, so that what it shares (``scope="package"``) ends with its last test."""
