"""What lets a model's answers be doubted, fitted on images that it did not learn from."""
