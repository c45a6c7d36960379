"""What a release consists of, made of one commit and nothing else (docs/releases.md)."""
