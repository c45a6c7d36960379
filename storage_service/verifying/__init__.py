"""Verification and scrub (docs/verify.md): rows and objects belong together. Changes no object."""
