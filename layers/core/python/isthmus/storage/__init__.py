"""Where state lives: the Table and Blobs ports and their adapters."""
