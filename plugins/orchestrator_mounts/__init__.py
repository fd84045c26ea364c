"""Built-in kinds of mount, one a file."""
