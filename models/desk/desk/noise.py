"""What happens to texts between the head and the help desk."""

from .grammar import Segment, map_text

_SHORT = {"please": "pls", "you": "u", "thanks": "thx", "because": "bc", "are": "r", "message": "msg", "password": "pw", "computer": "comp",
          "doesn't": "doesnt", "can't": "cant", "won't": "wont", "I'm": "im", "it's": "its", "don't": "dont", "the": "teh", "with": "w/"}
_NEIGHBOURS = {"a": "s", "e": "r", "i": "o", "o": "p", "n": "m", "t": "r", "s": "d", "r": "t", "l": "k", "u": "i", "c": "v"}


def _mistype(rng, text: str) -> str:
    """One slip of the fingers, somewhere within a word."""
    places = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha() and text[i - 1].isalpha()]
    if not places:
        return text
    i, draw = rng.choice(places), rng.random()
    if draw < 0.35:
        return text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    if draw < 0.60:
        return text[:i] + text[i + 1 :]
    if draw < 0.80:
        return text[:i] + text[i] + text[i:]
    return text[:i] + _NEIGHBOURS.get(text[i], text[i]) + text[i + 1 :]


def typos(rng, pieces: list[Segment], how_many: int) -> list[Segment]:
    """The pieces with slips in some of them, never in a span."""
    for _ in range(how_many):
        i = rng.randrange(len(pieces))
        if pieces[i].field is None:
            pieces = pieces[:i] + [Segment(_mistype(rng, pieces[i].text))] + pieces[i + 1 :]
    return pieces


def shorthand(rng, pieces: list[Segment]) -> list[Segment]:
    """The pieces as typed on a telephone."""
    keep = rng.random()

    def shorten(text: str) -> str:
        return " ".join(_SHORT.get(word, word) if rng.random() > keep else word for word in text.split(" "))

    return map_text(pieces, shorten)


def lower(pieces: list[Segment], spans_too: bool) -> list[Segment]:
    """All in small letters; a span that is written small is copied small."""
    return [Segment(piece.text.lower(), piece.field) if piece.field is None or (spans_too and piece.field != "asset") else piece for piece in pieces]


def shout(pieces: list[Segment]) -> list[Segment]:
    """All in capitals, the spans too."""
    return map_text(pieces, str.upper, spans_too=True)
