"""The service: the answering path behind HTTP, with a bounded queue, a store and limits."""
