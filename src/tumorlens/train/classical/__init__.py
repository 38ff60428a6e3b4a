"""The pipeline from before deep learning: segment, measure, and let a small classifier decide."""
