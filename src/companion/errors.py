"""The one exception of this package that the command line turns into a one-line message."""


class CompanionError(Exception):
    """Something the user can mend; the message is one line that says what and where."""
