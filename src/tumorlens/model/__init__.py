"""The model file: its schema, its loader, and how it is run."""
