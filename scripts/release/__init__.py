"""Makes the parts of a release from one commit (docs/releases.md)."""
