"""Finished runs and model files become files of other formats, each compared with its source."""
