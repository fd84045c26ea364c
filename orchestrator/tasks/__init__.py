"""Trio loops without decisions of their own: they ask `orchestrator.core` and act through ports. Floor: beside system."""
