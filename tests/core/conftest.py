"""Settings of Hypothesis for all tests: an example may take what it takes, since a slow machine is no wrong answer."""

from hypothesis import HealthCheck, settings

settings.register_profile("orchestrator", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("orchestrator")
