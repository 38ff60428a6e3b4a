"""A Finding becomes a table, JSON, CSV or a picture."""
