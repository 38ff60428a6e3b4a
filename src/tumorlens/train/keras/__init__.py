"""Keras: weights and whole models in, whole models out.

Files are read by code of this package, as data: HDF5 and JSON, whichever version of Keras wrote
them, and without Keras installed. Keras itself is needed only for layers that are not known here,
and to write Keras files.
"""
