"""Repair (docs/verify.md): acts on the findings of a verification after checking each again."""
