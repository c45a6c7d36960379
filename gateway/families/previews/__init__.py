"""A project's pages at their own address."""
