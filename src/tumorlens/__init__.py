"""TumorLens."""
