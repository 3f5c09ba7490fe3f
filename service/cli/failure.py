"""What the command line tells its user instead of a stack trace."""


class CommandFailed(Exception):
    """The message is a sentence that says what to do; the exit status is 1."""
