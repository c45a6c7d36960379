"""Projects: trees of files that are saved as a whole (docs/projects.md)."""
