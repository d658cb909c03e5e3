"""Finds the route of a request. What the table does not list is 404, so nothing is open by accident."""

from collections.abc import Iterable

from revcart.gateway import domain, paths
from revcart.kit import errors


class Table:
    """The longest prefix wins, and of two equal ones that which names methods."""

    def __init__(self, routes: Iterable[domain.Route]) -> None:
        self._tree: paths.Tree[domain.Route] = paths.Tree()
        for route in sorted(routes, key=lambda route: not route.methods):
            self._tree.add(route.path, route)

    def match(self, method: str, path: paths.Segments) -> domain.Route:
        """Raises NotFound, or MethodNotAllowed when the path is served with other methods."""
        wanted = "GET" if method == "HEAD" else method
        allowed: set[str] = set()
        for route, _ in self._tree.find(path):
            if not route.methods or wanted in route.methods:
                return route
            allowed.update(route.methods)
        if allowed:
            raise domain.MethodNotAllowed(allowed)
        raise errors.NotFound
