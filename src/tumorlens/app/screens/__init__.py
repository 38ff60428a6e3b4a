"""The pages of the app, one a module, each with a function ``show``."""
