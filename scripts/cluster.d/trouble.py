"""What a person is told, in a sentence, when a command cannot do what it was asked."""


class Trouble(Exception):
    """The message is for the person; `status` is the exit status."""

    status = 1


class WrongWords(Trouble):
    """The command line asks for something that makes no sense now."""

    status = 2


class CannotBeHad(Trouble):
    """This machine lacks something that it would need."""

    status = 4
