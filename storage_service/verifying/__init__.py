"""Verification and scrub (docs/verify.md): compares rows with objects, and changes no object."""
