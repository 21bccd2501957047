"""The library behind every Isthmus operation."""
