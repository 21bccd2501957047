"""The chain pipeline: collect, validate, process, store, analyze."""
