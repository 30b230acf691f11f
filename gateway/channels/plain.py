"""Contents in plain text, for platforms and accounts that cannot show them otherwise."""

from domain.messages import Card, Location


def place(location: Location) -> str:
    """A place: its name where it has one, and its degrees."""
    degrees = f"{location.latitude:.6f}, {location.longitude:.6f}"
    return f"📍 {location.label}\n{degrees}" if location.label else f"📍 {degrees}"


def head(card: Card) -> str:
    """A card without its buttons."""
    return "\n".join(part for part in (card.quote, card.title, card.body) if part)


def numbered(card: Card) -> str:
    """A card whose options are numbered, to be answered by number."""
    options = (f"{number}. {button.text}" for number, button in enumerate(card.buttons, 1))
    return "\n".join([head(card), *options])
