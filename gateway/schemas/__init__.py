"""Shapes of bodies as OpenAPI shows them; one module per family. Imported only when the document is made."""
