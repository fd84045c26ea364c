"""Nouns only: frozen attrs classes that the other floors pass to each other. The lowest floor; it imports none."""
