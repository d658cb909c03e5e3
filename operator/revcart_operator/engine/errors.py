"""What a cluster may answer instead of what was asked for. Whoever implements `cluster.Cluster` raises these alone."""


class ClusterError(Exception):
    """The root."""


class NotFound(ClusterError):
    """The object, or the whole kind, is not there."""


class Conflict(ClusterError):
    """Somebody else was faster (409): read again and decide again."""


class Refused(ClusterError):
    """The API server will not do it, now or later (400, 403, 422 and the like); `message` is its own sentence."""

    def __init__(self, *, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Unreachable(ClusterError):
    """No answer in time, or 429 and 5xx. `retry_after`: seconds that the server asked to wait, if it said so."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
