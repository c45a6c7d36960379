"""Properties of bytes: content types, pictures, texts, sizes, parts."""
