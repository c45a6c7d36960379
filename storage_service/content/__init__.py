"""What bytes are: types, pictures, texts, sizes, parts."""
