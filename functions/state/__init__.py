"""The state of every process: what it is, how it came about, what has changed since."""
