"""Tests of a whole stack. A package, so that what it shares (``scope="package"``) ends with its last test."""
