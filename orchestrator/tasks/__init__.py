"""Trio loops without decisions of their own: they ask `core` and act through ports. Floor: beside system."""
