"""Repair (docs/verify.md): acts on what a verification has found, after having looked at it again."""
