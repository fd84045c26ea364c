"""Decisions, pure: no clock, no disk, no loop, no chance but what is handed in. Floor: above model."""
