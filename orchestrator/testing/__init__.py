"""Fakes and strategies for the project's own tests and for authors of plugins. Floor: above ports and plugin."""
