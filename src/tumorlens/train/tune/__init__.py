"""Tuning: which settings of a recipe give the best validation figure, tried one after another.

`space` says what is tuned, `study` where the trials are kept, `trials` carries them out, `outcome`
writes down what came of them.
"""
