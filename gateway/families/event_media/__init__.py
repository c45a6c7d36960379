"""Event media, profile pictures, files that go away by themselves."""
