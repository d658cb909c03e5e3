"""The two ways in which a store is not there."""


class CannotBeHad(Exception):
    """This machine lacks what the store needs; its tests are skipped by name. The message is one sentence."""


class DoesNotStart(Exception):
    """It is here and should run, but does not: a fault. The message ends with its log's last lines."""
