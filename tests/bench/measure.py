"""What benches share: results with their bounds, and how they are shown."""

import statistics
from collections.abc import Sequence

from attrs import frozen


@frozen
class Ratio:
    """Two sides of one bench, in seconds, measured in turn."""

    name: str
    ours: Sequence[float]
    bare: Sequence[float]
    bound: float
    """The largest ratio that is well."""
    other: str = "bare"
    """What the other side is called."""

    @property
    def ratio(self) -> float:
        """The median of the rounds' own ratios: a machine that is slow for a while is slow for both sides."""
        return statistics.median(ours / bare for ours, bare in zip(self.ours, self.bare, strict=True))

    @property
    def ratio_of_medians(self) -> float:
        """The median of ours against the median of the other side."""
        return statistics.median(self.ours) / statistics.median(self.bare)

    @property
    def exceeded(self) -> bool:
        """Whether the ratio is above its bound."""
        return self.ratio > self.bound

    def __str__(self) -> str:
        return (
            f"{self.name}: {_spread(self.ours)}, {self.other} {_spread(self.bare)}, {len(self.ours)} rounds; "
            f"ratio {self.ratio:.3f} (of the medians {self.ratio_of_medians:.3f}), "
            f"{_verdict(self.exceeded)} of {self.bound}"
        )


@frozen
class Figure:
    """A figure with its unit, measured a few times."""

    name: str
    values: Sequence[float]
    unit: str
    bound: float
    """The largest median that is well."""

    @property
    def median(self) -> float:
        """The figure that counts."""
        return statistics.median(self.values)

    @property
    def exceeded(self) -> bool:
        """Whether the median is above its bound."""
        return self.median > self.bound

    def __str__(self) -> str:
        spread = f" ({min(self.values):.4g} to {max(self.values):.4g})" if len(self.values) > 1 else ""
        return f"{self.name}: {self.median:.4g}{spread} {self.unit}, {_verdict(self.exceeded)} of {self.bound:g}"


Result = Ratio | Figure


def _verdict(exceeded: bool) -> str:
    return "ABOVE THE BOUND" if exceeded else "within the bound"


def _spread(seconds: Sequence[float]) -> str:
    if len(seconds) < 4:
        return f"{statistics.median(seconds) * 1000:.1f} ms ({min(seconds) * 1000:.1f} to {max(seconds) * 1000:.1f})"
    low, median, high = statistics.quantiles(seconds, n=4)
    return f"{median * 1000:.1f} ms ({low * 1000:.1f} to {high * 1000:.1f})"
