"""Numbers become an answer: gate, thresholds, prediction sets, and the Finding."""
