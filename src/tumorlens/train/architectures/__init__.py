"""The networks, one file each, and what puts them together."""
