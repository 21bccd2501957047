"""The stores themselves: AWS and embedded."""
