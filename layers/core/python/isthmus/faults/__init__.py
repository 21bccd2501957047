"""What goes wrong, in numbers: the neighbours' codes as kinds of failure, and failures of one cause as one group."""
