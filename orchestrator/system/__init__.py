"""The outside world, one foreign thing a file. Implements `orchestrator.ports`. Floor: above testing, beside tasks."""
