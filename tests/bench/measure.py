"""What benches share: a result with its bound, and how results are shown."""

import statistics
from collections.abc import Sequence

from attrs import frozen


@frozen
class Result:
    """Two sides of one bench, in seconds, measured in turn."""

    name: str
    ours: Sequence[float]
    bare: Sequence[float]
    bound: float
    """The largest ratio of the medians that is well."""

    @property
    def ratio(self) -> float:
        """The median of the rounds' own ratios: a machine that is slow for a while is slow for both sides."""
        return statistics.median(ours / bare for ours, bare in zip(self.ours, self.bare, strict=True))

    @property
    def ratio_of_medians(self) -> float:
        """The median of ours against the median of the bare side."""
        return statistics.median(self.ours) / statistics.median(self.bare)

    @property
    def exceeded(self) -> bool:
        """Whether the ratio is above its bound."""
        return self.ratio > self.bound


def show(results: Sequence[Result]) -> str:
    """A line each: medians in milliseconds with the quartiles beside them, the ratio and its bound."""
    lines = []
    for result in results:
        verdict = "above the bound" if result.exceeded else "within the bound"
        lines.append(
            f"{result.name}: {_spread(result.ours)}, bare {_spread(result.bare)}, {len(result.ours)} rounds; "
            f"ratio {result.ratio:.3f} (of the medians {result.ratio_of_medians:.3f}), {verdict} of {result.bound}"
        )
    return "\n".join(lines)


def _spread(seconds: Sequence[float]) -> str:
    low, median, high = statistics.quantiles(seconds, n=4)
    return f"{median * 1000:.1f} ms ({low * 1000:.1f} to {high * 1000:.1f})"
