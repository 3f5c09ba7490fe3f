"""Why the service cannot start on this machine; the command line prints it without a trace."""


class CannotStart(Exception):
    """The message is a sentence that says how to mend it."""
