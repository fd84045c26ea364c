"""Sizes for people: ``4.0K``, ``1.2G``, as du(1) has them. Floor: core."""

_UNITS = "KMGTPE"


def show_size(count: int) -> str:
    """Bytes (not negative), rounded up as du(1) does: a size is never told to be less than it is."""
    if count < 1024:
        return str(count)
    for power, unit in enumerate(_UNITS, 1):
        tenths = -(-count * 10 // 1024**power)
        if tenths < 100:
            return f"{tenths // 10}.{tenths % 10}{unit}"
        whole = -(-count // 1024**power)
        if whole < 1024 or unit == _UNITS[-1]:
            return f"{whole}{unit}"
    raise AssertionError("the last unit takes all")
