"""The states of a service of a local platform, as its runtime tells them."""

import enum


class State(enum.StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
