"""The one exception that stands for a user's mistake."""


class UserError(Exception):
    """A mistake that the user can mend: one line with what was expected, what came, and what to do.

    The command line prints the line alone and exits with 2; in Python it is an ordinary exception.
    """
