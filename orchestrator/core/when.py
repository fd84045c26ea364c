"""A moment as people write it after ``--since``: a date, a time of day, or how long ago. Floor: core."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from orchestrator.core.suggest import quote
from orchestrator.core.values import parse_duration
from orchestrator.model.problem import Fault

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
_MOMENT = re.compile(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?:[Tt ]({_TIME})([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})?)?")
_TIME_OF_DAY = re.compile(_TIME)
_HINT = 'write "10m", "12:30", "2026-01-31" or "2026-01-31T12:30:00Z"'


def parse_when(text: str, now: float, offset_of: Callable[[float], float]) -> float | Fault:
    """Epoch seconds of a moment.

    ``"10m"`` is so long before ``now``; ``"12:30"`` when clocks last showed it; ``"2026-01-31"`` its midnight;
    ``"2026-01-31T12:30:00Z"`` as RFC 3339 has it, and local time where it has no offset. offset_of: how many seconds
    local time is ahead of UTC at a moment in epoch seconds.
    """
    try:
        if match := _MOMENT.fullmatch(text):
            day, time, zone = match.groups()
            moment = datetime.fromisoformat(f"{day}T{time or '00:00'}{(zone or 'Z').upper()}")
            seconds = (moment - _EPOCH).total_seconds()
            return seconds if zone else _to_epoch(seconds, offset_of)
        if _TIME_OF_DAY.fullmatch(text):
            return _find_last(text, now, offset_of)
    except ValueError:
        return Fault((), f"there is no such date or time: {quote(text)}", _HINT)
    duration = parse_duration(text)
    if isinstance(duration, Fault):
        bare = text.isascii() and text.isdigit()
        return duration if bare else Fault((), f"{quote(text)} is no date, time or duration", _HINT)
    return now - duration


def _find_last(time: str, now: float, offset_of: Callable[[float], float]) -> float:
    today = (_EPOCH + timedelta(seconds=now + offset_of(now))).date()
    for day in (today, today - timedelta(days=1)):
        moment = datetime.fromisoformat(f"{day.isoformat()}T{time}Z")
        seconds = _to_epoch((moment - _EPOCH).total_seconds(), offset_of)
        if seconds <= now:
            break
    return seconds


def _to_epoch(local: float, offset_of: Callable[[float], float]) -> float:
    """A local time, counted as if it were UTC, as epoch seconds. Twice, since the offset is that of the result."""
    return local - offset_of(local - offset_of(local))
