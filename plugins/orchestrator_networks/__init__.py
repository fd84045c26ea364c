"""Built-in kinds of network, one a file."""
