"""Projects: trees of files that are saved as a whole, many times (docs/projects.md)."""
