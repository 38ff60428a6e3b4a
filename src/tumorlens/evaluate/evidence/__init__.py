"""The evidence for a model: everything that is published of it, from one command."""
