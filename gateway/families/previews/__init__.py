"""A project's pages by their own address."""
