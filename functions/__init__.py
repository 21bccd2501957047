"""The operations: one file, one function, one Lambda each."""
