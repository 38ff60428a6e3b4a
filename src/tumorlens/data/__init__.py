"""Training data: indexed, grouped, and split so that no image stands on two sides."""
