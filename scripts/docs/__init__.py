"""The documentation site: pages of docs/ and, made from the code, the reference (docs/documentation.md)."""
