"""Slots of the ticket patterns that are made rather than listed: tags, places, times, numbers."""

import string

from . import people


def _digits(rng, low: int, high: int | None = None) -> str:
    return "".join(rng.choice(string.digits) for _ in range(rng.randint(low, high or low)))


def _letters(rng, low: int, high: int | None = None) -> str:
    return "".join(rng.choice(string.ascii_uppercase) for _ in range(rng.randint(low, high or low)))


_KINDS = "LT NB WS PC DT PRN MFP SCN DS MON TAB PH POS ZBR SRV RT AP SW HW IT CAM PLT LBL KIOSK BC VC UPS MAC".split()


def tag(rng, _grammar) -> str:
    """The identifier of a device, in one of many houses' styles."""
    kind = rng.choice(_KINDS) if rng.random() < 0.7 else _letters(rng, 2, 4)
    draw = rng.random()
    if draw < 0.50:
        return f"{kind}-{_digits(rng, 2, 6)}"
    if draw < 0.60:
        return f"{kind}{_digits(rng, 3, 6)}"
    if draw < 0.66:
        return f"{kind} {_digits(rng, 3, 5)}"
    if draw < 0.74:
        return f"{kind}-{rng.choice(['2F', '3F', 'HR', 'EAST', 'W', 'LAB', 'A', 'B', 'HQ', 'NORTH'])}-{_digits(rng, 1, 3)}"
    if draw < 0.79:
        return f"{rng.choice(['HPLJ', 'CANON', 'XRX', 'KYO', 'EPS', 'LEX'])}-{rng.randint(1, 9)}-{rng.choice(['EAST', 'WEST', 'A', 'HALL', 'SOUTH'])}"
    if draw < 0.85:
        return f"DESKTOP-{''.join(rng.choice(string.ascii_uppercase + string.digits) for _ in range(6))}"
    if draw < 0.90:
        return f"{kind.lower()}-{_digits(rng, 2, 5)}"
    if draw < 0.95:
        return "".join(rng.choice(string.ascii_uppercase + string.digits) for _ in range(7)) + _digits(rng, 2)
    return f"{kind}/{_digits(rng, 4)}/{_digits(rng, 2)}"


_BRANCHES = "office depot store branch plant site warehouse factory hub campus clinic shop".split()


def where(rng, grammar) -> tuple[str, str]:
    """A place: what stands before it (preposition, article) and the place itself."""
    draw, number = rng.random(), rng.randint(1, 40)
    if draw < 0.26:
        room = rng.choice([_digits(rng, 3), _digits(rng, 2), f"{rng.choice('ABCDEFGK')}{_digits(rng, 3)}",
                           f"{rng.randint(0, 9)}.{_digits(rng, 2)}", f"{rng.choice('ABCE')}-{_digits(rng, 2)}", f"{_digits(rng, 2)}{rng.choice('ABC')}"])
        kind = rng.choice(["room", "room", "Room", "office", "lab", "Raum", "classroom", "meeting room", "lecture hall", "ward", "hall", "cubicle"])
        building = rng.choice(["", "", "", f", Building {rng.choice('ABCDEF')}", f", building {rng.randint(1, 12)}", f", {grammar.pick(rng, 'ordinal')} floor"])
        return "in ", f"{kind} {room}{building}"
    if draw < 0.33:
        return "in ", f"{rng.choice(['meeting room', 'conference room', 'Conference room', 'room', 'boardroom', 'Meeting Room'])} {grammar.pick(rng, 'roomname')}"
    if draw < 0.45:
        floor = f"{grammar.pick(rng, 'ordinal')} floor"
        tail = rng.choice(["", "", "", f" {grammar.pick(rng, 'place')}", f" of building {rng.choice('ABCD')}", f", room {_digits(rng, 3)}"])
        return rng.choice(["on the ", "on ", "at the "]), floor + tail
    if draw < 0.52:
        return rng.choice(["at ", "in "]), f"{rng.choice(['desk', 'Desk', 'dock', 'gate', 'counter', 'till', 'workplace', 'station', 'bay', 'line'])} {rng.choice([str(number), _digits(rng, 2) + rng.choice('ABCD')])}"
    if draw < 0.58:
        return "in ", f"{rng.choice(['Building', 'building', 'block', 'hall', 'Haus', 'wing'])} {rng.choice([str(rng.randint(1, 20)), rng.choice('ABCDEFGH')])}"
    if draw < 0.78:
        return rng.choice(["in the ", "in the ", "at the ", "at ", "in our "]), grammar.pick(rng, "place")
    if draw < 0.92:
        return rng.choice(["in the ", "at the ", "at our ", "from the ", "in our "]), f"{people.town(rng, grammar)} {rng.choice(_BRANCHES)}"
    return "in ", people.town(rng, grammar)


def at(rng, grammar) -> str:
    """A place with its preposition, the place marked."""
    before, place = where(rng, grammar)
    return f"{before}«location:{place}»"


_SOON = ["today", "tomorrow", "tomorrow morning", "noon", "this afternoon", "tonight", "end of day", "EOD", "tomorrow noon",
         "the end of the day", "this evening", "lunch", "close of business", "tomorrow evening", "midnight"]
_EVENTS = ["board meeting", "audit", "fair", "conference", "trade show", "training", "workshop", "kick-off", "inventory", "move", "exam"]


def _clock(rng) -> str:
    hour = rng.randint(8, 18)
    twelve = f"{(hour - 1) % 12 + 1}{rng.choice(['', ':30', ':15', ''])}{rng.choice([' ', ''])}{'am' if hour < 12 else 'pm'}"
    return rng.choice([twelve, f"{hour}:{rng.choice(['00', '15', '30', '45'])}", f"{hour}h", f"{(hour - 1) % 12 + 1} o'clock"])


def soon(rng, _grammar) -> str:
    """A time within a day."""
    draw = rng.random()
    if draw < 0.5:
        return rng.choice(_SOON)
    clock = _clock(rng)
    return rng.choice([clock, clock, f"{clock} today", f"today {clock}", f"tomorrow {clock}", f"{clock} tomorrow", f"tomorrow at {clock}"])


def later(rng, grammar) -> str:
    """A day that is not tomorrow, in one of many formats."""
    weekday, month, day = grammar.pick(rng, "day"), grammar.pick(rng, "month"), rng.randint(1, 28)
    suffix = "th" if 10 < day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    number, year = rng.randint(1, 12), rng.randint(2023, 2028)
    return rng.choice([
        weekday, weekday, weekday, f"next {weekday}", f"{weekday} {_clock(rng)}", f"{weekday} {rng.choice(['morning', 'noon', 'afternoon', 'evening'])}",
        f"{weekday} at {_clock(rng)}", f"{day} {month}", f"{day} {month}", f"{month} {day}", f"{day}{suffix} {month}", f"{month} {day}{suffix}",
        f"the {day}{suffix}", f"{day} {month} {year}", f"{month} {day}, {year}", f"{weekday}, {day} {month}", f"{day:02}.{number:02}.", f"{day}.{number}.{year}",
        f"{day:02}/{number:02}/{year}", f"{year}-{number:02}-{day:02}", f"{day}/{number}", f"the {day}{suffix} of {month}", f"{month[:3]} {day}",
        "next week", "the end of the week", "the end of the month", "end of month", "this week", "end of week", f"the {rng.choice(_EVENTS)} on {weekday}",
        f"the {rng.choice(_EVENTS)}", "next month", f"end of {month}", f"mid {month}", f"{weekday} next week", "month end", f"this {weekday}", "the weekend",
    ])


def number(rng, _grammar) -> str:
    """A number that means something else than a device."""
    return _digits(rng, rng.choice([1, 2, 3, 4, 4, 5, 6])).lstrip("0") or "7"


MAKERS = {
    "tag": tag,
    "where": lambda rng, grammar: where(rng, grammar)[1],
    "at": at,
    "bare": lambda rng, grammar: f"«location:{where(rng, grammar)[1]}»",
    "town": people.town,
    "number": number,
    "digit": lambda rng, grammar: str(rng.randint(0, 9)),
    "letter": lambda rng, grammar: rng.choice("GHIKLMNPQRSTUXZ"),
    "hex": lambda rng, grammar: "".join(rng.choice("0123456789abcdef") for _ in range(8)),
    "ext": lambda rng, grammar: _digits(rng, 3, 4),
    "phone": lambda rng, grammar: rng.choice([f"+{rng.randint(1, 99)} {_digits(rng, 2)} {_digits(rng, 6)}", f"0{_digits(rng, 3)} {_digits(rng, 5)}", f"{_digits(rng, 3)}-{_digits(rng, 4)}"]),
    "model": lambda rng, grammar: f"{rng.choice(['HP LaserJet', 'Canon', 'Dell', 'Lenovo', 'Brother', 'Epson', 'Logitech', 'Samsung', 'iPhone', 'Cisco'])} {rng.choice(['', 'Pro ', 'T', 'M', 'X'])}{_digits(rng, 2, 4)}",
    "colleague": lambda rng, grammar: rng.choice([people.given, people.given, people.full_name, lambda r, g: rng.choice(["Mr. ", "Mrs. ", "Ms. "]) + people.family(r, g)])(rng, grammar),
}
