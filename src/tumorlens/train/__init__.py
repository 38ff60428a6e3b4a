"""Recipes become checkpoints, and checkpoints become model files."""
