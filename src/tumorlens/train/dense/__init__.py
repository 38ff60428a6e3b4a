"""Training with masks: one network that marks lesions, decides from what it marks, and names it."""
