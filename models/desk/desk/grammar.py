"""A small grammar for texts that know where their parts are.

A pattern holds `{this|that}` for a choice, `<name>` for a line of a lexicon, and `«field:span»` for what a form copies.
Both may nest. What is expanded last is a list of segments, so that noise can be added beside the spans without harming
them, and the form is read from the very text that is shown.
"""

import re
import zlib
from dataclasses import dataclass, replace

_CHOICE = re.compile(r"\{([^{}]*)\}")
_SLOT = re.compile(r"<([a-z_]+)>")
_SPAN = re.compile(r"«([a-z_]+):([^»]*)»")

HELD_OUT_SHARE = 0.08
_SMALLEST_POOL = 10


def side(lines: list[str], held_out: bool) -> list[str]:
    """The lines of a pool that training sees, or those that are kept from it: a property of the lines alone.

    A pool too small to lose any is whole on both sides.
    """
    if len(lines) < _SMALLEST_POOL:
        return lines
    ranked = sorted(set(lines), key=lambda line: zlib.crc32(line.encode()))
    kept = set(ranked[: max(2, round(len(ranked) * HELD_OUT_SHARE))])
    return [line for line in lines if (line in kept) == held_out]


@dataclass(frozen=True)
class Segment:
    """A piece of a text, and which field of the form it is the value of."""

    text: str
    field: str | None = None


class Grammar:
    """Expands patterns with the lines of a lexicon that belong to one side of the split.

    Training draws from the lines that are not held out. Evaluation draws from held-out lines alone, in those pools that
    are open (names, places, phrasings): `open_pools`. Closed pools, such as the names of weekdays, are whole on both sides.
    """

    def __init__(self, lexicon: dict[str, list[str]], open_pools: set[str], held_out: bool):
        self.pools = {}
        self.makers = {}
        for name, lines in lexicon.items():
            self.pools[name] = side(lines, held_out) if name in open_pools else lines

    def pick(self, rng, pool: str) -> str:
        """One line of a pool, not expanded."""
        return rng.choice(self.pools[pool])

    def expand(self, rng, pattern: str) -> str:
        """A pattern with all choices made; spans stay marked."""
        while True:
            expanded = _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), pattern)
            expanded = _SLOT.sub(lambda match: self._slot(rng, match[1]), expanded)
            if expanded == pattern:
                return expanded
            pattern = expanded

    def _slot(self, rng, name: str) -> str:
        return self.makers[name](rng, self) if name in self.makers else rng.choice(self.pools[name])


def read_pools(path) -> dict[str, list[str]]:
    """The pools of a data file: `== name`, then a line each; `#` begins a comment."""
    pools: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            pools[line[3:]] = lines = []
        elif line and not line.startswith("# ") and pools:
            lines.append(line)
    return pools


def segments(marked: str) -> list[Segment]:
    """The pieces of an expanded pattern, in order."""
    pieces, end = [], 0
    for match in _SPAN.finditer(marked):
        if match.start() > end:
            pieces.append(Segment(marked[end : match.start()]))
        pieces.append(Segment(match[2], match[1]))
        end = match.end()
    if end < len(marked):
        pieces.append(Segment(marked[end:]))
    return pieces


def plain(pieces: list[Segment]) -> str:
    """The text alone."""
    return "".join(piece.text for piece in pieces)


def spans(pieces: list[Segment]) -> dict[str, str]:
    """The first span of each field."""
    found: dict[str, str] = {}
    for piece in pieces:
        if piece.field is not None:
            found.setdefault(piece.field, piece.text)
    return found


def map_text(pieces: list[Segment], change, spans_too: bool = False) -> list[Segment]:
    """The pieces with `change` applied to the texts, those of spans only where asked."""
    return [
        replace(piece, text=change(piece.text)) if spans_too or piece.field is None else piece for piece in pieces
    ]
