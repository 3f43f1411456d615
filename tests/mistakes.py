"""What every mistake of a user looks like on the command line."""

from collections.abc import Callable


def expecting(call: Callable[..., tuple[int, str]]) -> Callable[..., None]:
    """A check that words end with exit code 2 and one line that contains `expected`.

    Args:
        call: runs the command line with some words, and gives the exit code and what was printed.
    """

    def check(expected: str, *words: object) -> None:
        code, printed = call(*words)
        assert code == 2, printed
        (line,) = printed.strip().splitlines()
        assert line.startswith("anthropose: ")
        assert expected in line

    return check
