"""One colour per person, the same in overlays, plots and exported scenes."""

PALETTE = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2")
"""Okabe and Ito's colours (2008), told apart also by those who do not see red and green alike."""


def person_hex(person: int) -> str:
    """The colour of person number `person` as `#rrggbb`."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in person_colour(person))


def person_colour(person: int) -> tuple[float, float, float]:
    """The colour of person number `person` as red, green and blue from 0 to 1; each round of the palette is darker."""
    code, share = PALETTE[person % len(PALETTE)], 0.6 ** (person // len(PALETTE))
    red, green, blue = (int(code[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red * share, green * share, blue * share
