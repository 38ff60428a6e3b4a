"""The audit of labelled images: what a set is worth before a number on it is believed."""
