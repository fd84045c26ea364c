"""Whom definitions name in ``after``, ``requires`` and ``network``: names that there are not, and names that wait for
each other.

What is right of one file alone is not right of all together, so this is looked at again whenever any of them changes,
in linear time. What follows from an order that is right is for `orchestrator.core.order`. Floor: core.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set

from attrs import frozen

from orchestrator.core.suggest import quote, suggest_similar
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import Fault

MOST_GUESSED = 20
"""Unknown names for which it is looked up what was probably meant: each look costs milliseconds where there are a
thousand definitions."""

Graph = Mapping[str, set[str]]
"""Whom each name waits for."""

MOST_SHOWN = 8
"""Names of a circle that are shown."""


@frozen
class Links:
    """Whom one definition names, as it is written."""

    after: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    shares: tuple[KeyPath, str] | None = None
    """Whose network namespace it joins, with the key path that says so."""
    ends: bool = False
    """It has ended once it is ready, so that there is no namespace of it then."""

    def list_items(self) -> Iterator[tuple[KeyPath, str]]:
        """Each name with its key path."""
        for key, names in (("after", self.after), ("requires", self.requires)):
            for index, name in enumerate(names):
                yield (key, index), name
        if self.shares is not None:
            yield self.shares


def find_link_faults(
    links: Mapping[str, Links],
    known: Set[str],
    *,
    broken: Collection[str] = (),
    standing: Mapping[str, Iterable[str]],
) -> dict[str, tuple[Fault, ...]]:
    """What is wrong with whom the definitions of a directory name, by name; a name with nothing wrong is left out.

    links: of every definition that can be read. known: all names, also of files that cannot. broken: those that have
    other problems. standing: whom those come after that go on by an earlier definition, should theirs have problems:
    so that what is valid now does not wait for what goes on and waits for it.
    """
    found: dict[str, list[Fault]] = {name: [] for name in links}
    guesses: dict[str, str] = {}
    for name, each in links.items():
        for path, other in each.list_items():
            if other == name:
                found[name].append(_refuse_itself(path, shares=(path, other) == each.shares))
            elif other not in known:
                if other not in guesses:
                    guesses[other] = suggest_similar(other, known) if len(guesses) < MOST_GUESSED else ""
                found[name].append(Fault(path, f"there is no definition of {quote(other)}", guesses[other]))
            elif (path, other) == each.shares and other in links and links[other].ends:
                message = f"cannot share the network of {quote(other)}: it is a oneshot, and has ended once it is ready"
                found[name].append(Fault(path, message, "name a container that goes on"))
    written: Graph = {name: {other for _, other in each.list_items()} - {name} for name, each in links.items()}
    graph, valid, refused = written, set(links), set[str]()
    while True:
        for circle, at in _walk_circles(graph):
            name, following = circle[at], circle[(at + 1) % len(circle)]
            if name in valid:
                path = next(path for path, other in links[name].list_items() if other == following)
                message = f"they wait for each other: {_show(circle, at)}"
                found[name].append(Fault(path, message, "take one of them away"))
        before, refused = refused, {*broken, *(known - links.keys()), *(name for name in links if found[name])}
        if refused == before:
            return {name: tuple(faults) for name, faults in found.items() if faults}
        # What has problems goes on as it was: does what is left wait for that, and that for it?
        valid = links.keys() - refused
        went_on = {name: {*standing.get(name, ())} for name in refused}
        graph = {**{name: written[name] for name in valid}, **went_on}


def _refuse_itself(path: KeyPath, *, shares: bool) -> Fault:
    if shares:
        return Fault(path, "a container cannot share its own network", "name another container")
    return Fault(path, "a container cannot come after itself", "take it away")


def _walk_circles(graph: Graph) -> Iterator[tuple[Sequence[str], int]]:
    """Circles that all names on some circle are on, each at each of its names; a step that two of them have in common
    once."""
    for knot in _find_knots(graph):
        told: set[tuple[str, str]] = set()
        covered: set[str] = set()
        for start in sorted(knot):
            if start in covered:
                continue
            circle = _find_circle(graph, knot, start)
            covered.update(circle)
            for at, each in enumerate(zip(circle, (*circle[1:], circle[0]), strict=True)):
                if each not in told:
                    told.add(each)
                    yield circle, at


def _find_circle(graph: Graph, knot: Set[str], start: str) -> Sequence[str]:
    """A shortest circle through a name of a knot."""
    came_from: dict[str, str] = {}
    queue = deque([start])
    while start not in came_from:
        name = queue.popleft()
        for other in sorted(graph[name] & knot):
            if other not in came_from:
                came_from[other] = name
                queue.append(other)
    circle = [came_from[start]]
    while circle[-1] != start:
        circle.append(came_from[circle[-1]])
    return circle[::-1]


def _find_knots(graph: Graph) -> Iterator[Set[str]]:
    """The sets of names that each wait for all others of their set, over others: the strongly connected components of
    more than one (Tarjan, Depth-first search and linear graph algorithms, 1972), without recursion."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_names: dict[str, None] = {}
    for root in graph:
        if root in order:
            continue
        path = [(root, iter(graph[root]))]
        order[root] = lowest[root] = len(order)
        open_names[root] = None
        while path:
            name, others = path[-1]
            for other in others:
                if other not in graph:
                    continue
                if other not in order:
                    order[other] = lowest[other] = len(order)
                    open_names[other] = None
                    path.append((other, iter(graph[other])))
                    break
                if other in open_names:
                    lowest[name] = min(lowest[name], order[other])
            else:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[name])
                if lowest[name] == order[name]:
                    knot = set()
                    while name not in knot:
                        knot.add(open_names.popitem()[0])
                    if len(knot) > 1:
                        yield knot


def _show(circle: Sequence[str], at: int) -> str:
    """``web → db → web``, from a place on it on."""
    whole = len(circle) <= MOST_SHOWN
    shown = [circle[(at + step) % len(circle)] for step in range(len(circle) if whole else MOST_SHOWN - 1)]
    if not whole:
        shown.append(f"… {len(circle) - len(shown)} more …")
    return " → ".join((*shown, circle[at]))
