"""What goes wrong, how often, and whether that is news."""
