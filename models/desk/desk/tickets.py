"""Help-desk messages with the forms that they fill."""

import re
from pathlib import Path

from . import noise, people, slots
from .grammar import Grammar, plain, read_pools, segments, side, spans

DATA = Path(__file__).parent.parent / "data"
CATEGORIES = ["access", "hardware", "network", "software", "email", "printing", "security", "other"]
PRIORITIES = ["low", "normal", "high", "urgent"]
MAX_SUMMARY = 80
_RANK = {name: rank for rank, name in enumerate(PRIORITIES)}
_MARK = {"u!": "urgent", "h!": "high", "l!": "low"}
_DROPPED = set("the a an my our your please kindly again any just really very i we im i'm".split())
# How often a message names a thing in words that fit any, rather than in a phrasing of its own.
_THINGS_SHARE = 0.25
_ASSET_SHARE = {"hardware": 0.5, "printing": 0.5, "network": 0.35, "software": 0.3, "security": 0.2}
# What an asset tag may follow.
_DEVICE = re.compile(
    r"\b(laptop|computer|PC|notebook|workstation|desktop|machine|printer|copier|scanner|monitor|screen|docking station|dock|phone|tablet|"
    r"projector|till|terminal|plotter|label printer|server|router|switch|access point|MFP|headset|webcam|thin client|card reader|battery|fan)\b"
)


def summarise(problem: str) -> str:
    """The problem as a subject line: without articles, possessives and courtesies, at most 80 characters."""
    words = [word for word in problem.split() if word.lower() not in _DROPPED]
    text = re.sub(r"^(could you|can you|would you|could I have|can I get|is there a way to|may I|can I) ", "", " ".join(words), flags=re.I)
    text = text.strip(" .,:;?!-")
    while len(text) > MAX_SUMMARY:
        text = text.rsplit(" ", 1)[0]
    first = text.split(" ")[0]
    return text[:1].lower() + text[1:] if first[1:].islower() and not first.startswith("Wi-") else text


class TicketMaker:
    """Makes tickets, from the training side of all pools or from the held-out one."""

    def __init__(self, held_out: bool):
        messages, words = read_pools(DATA / "messages.txt"), read_pools(DATA / "words.txt")
        lexicon = {**people.LEXICON, **messages, **words}
        self.grammar = Grammar(lexicon, people.OPEN_POOLS | set(messages) | {"place", "roomname"}, held_out)
        self.grammar.makers.update(slots.MAKERS, topic=lambda rng, _: self.topic)
        self.topic = ""
        issues = read_pools(DATA / "issues.txt")
        self.issues = {name: side(lines, held_out) for name, lines in issues.items()}
        # Only training names things so: what is held out are phrasings, and these would be the easy ones.
        self.things = {} if held_out else read_pools(DATA / "things.txt")

    def make(self, rng) -> tuple[str, dict]:
        """A message and its form."""
        category = rng.choice(CATEGORIES)
        pattern = self._pattern(rng, category)
        priority = _MARK.get(pattern[:2])
        pattern = pattern[2:] if priority else pattern
        issue = self.grammar.expand(rng, pattern)
        problem = issue[issue.index("[") + 1 : issue.rindex("]")]
        issue = issue.replace("[", "").replace("]", "").strip()
        self.topic, terse = summarise(problem), rng.random() < 0.16
        given = {"priority": priority or "normal", "asset": rng.random() < _ASSET_SHARE.get(category, 0.12), "location": rng.random() < 0.33}
        me = None if rng.random() < (0.85 if terse else 0.36) else self._me(rng)
        body = self._body(rng, issue, given, terse)
        marked = self._around(rng, body, me, terse)
        pieces, summary = self._noisy(rng, segments(marked), self.topic)
        copied = spans(pieces)
        form = {"category": category, "priority": given["priority"], "summary": summary}
        form.update({field: copied.get(field) for field in ("requester", "asset", "location", "due")})
        return plain(pieces), form

    def _pattern(self, rng, category: str) -> str:
        if self.things and rng.random() < _THINGS_SHARE:
            return rng.choice(self.things["frame"]).replace("<thing>", rng.choice(self.things[category]))
        return rng.choice(self.issues[category])

    def _me(self, rng) -> str:
        return people.given(rng, self.grammar) if rng.random() < 0.3 else people.full_name(rng, self.grammar)

    def _part(self, rng, pool: str) -> str:
        return self.grammar.expand(rng, self.grammar.pick(rng, pool))

    def _issue(self, rng, issue: str, given: dict) -> str:
        """The sentence with the problem, tag and place put into it or behind it."""
        device = _DEVICE.search(issue)
        if given["asset"] and rng.random() < 0.55:
            given["asset"] = False
            tag = self._part(rng, "asset")
            if device and rng.random() < 0.7:
                issue = issue[: device.end()] + tag + issue[device.end() :].lstrip(",")
            else:
                issue = issue.rstrip(".!?") + tag.rstrip(", ")
        if given["location"] and rng.random() < 0.6:
            given["location"] = False
            place = self._part(rng, "location")
            if device and rng.random() < 0.35 and "«" not in issue:
                issue = issue[: device.end()] + place + issue[device.end() :]
            elif rng.random() < 0.12:
                issue = place.strip(" ,-()") + ": " + issue
            else:
                issue = issue.rstrip(".!?") + place.rstrip(", ")
        if issue[-1] not in ".?!":
            issue += rng.choice([".", ".", ".", "", "!", "...", "!!", " :("])
        return issue[0].upper() + issue[1:] if rng.random() < 0.75 else issue

    def _cues(self, rng, given: dict, terse: bool) -> list[str]:
        """Sentences that make the priority, and the priority that they make."""
        cues, draw = [], rng.random()
        own = given["priority"]
        if own == "low" or (own == "normal" and draw < 0.13):
            given["priority"] = "low"
            if own == "normal" or rng.random() < 0.4:
                cues.append(self._part(rng, "low"))
        elif draw < 0.34 and own in ("normal", "high"):
            given["priority"] = "high"
            cues.append(self._part(rng, "high"))
        elif draw < 0.46 or (own == "urgent" and draw < 0.8):
            given["priority"] = "urgent"
            cues.append(self._part(rng, "urgent"))
        elif own == "normal" and draw < 0.60 and not terse:
            cues.append(self._part(rng, "workaround"))
        # A priority may come with its day: "must be paid tomorrow".
        if not any("«due:" in cue for cue in cues) and rng.random() < (0.08 if terse else 0.26):
            near = rng.random() < 0.4 and given["priority"] != "low"
            self.grammar.makers["when"] = slots.soon if near else slots.later
            cues.append(self._part(rng, "due"))
            if near and given["priority"] == "normal":
                given["priority"] = "high"
        return cues

    def _body(self, rng, issue: str, given: dict, terse: bool) -> str:
        core = [self._issue(rng, issue, given)]
        rest = self._cues(rng, given, terse)
        if not terse:
            rest += [self._part(rng, "tried") for _ in range(rng.choice([0, 0, 0, 1, 1, 2]))]
            rest += [self._part(rng, "offhand")] if rng.random() < 0.1 else []
            if rng.random() < 0.12:
                core.insert(0, self._part(rng, "opener"))
        for field in ("asset", "location"):
            if given[field]:
                rest.append(self._part(rng, f"{field}_line"))
        rng.shuffle(rest)
        if rest and rng.random() < 0.15:
            core.insert(0, rest.pop())
        joint = rng.choice([" ", " ", " ", " ", "\n", " - "])
        text = joint.join(core + rest)
        return re.sub(r"(?<=[a-z])\. ", rng.choice([", ", " ", "; ", ". "]), text) if terse else text

    def _around(self, rng, body: str, me: str | None, terse: bool) -> str:
        """Greeting before and signature behind the body."""
        text = body
        self.grammar.makers["me"] = lambda _rng, _grammar: me
        if me and rng.random() < 0.12:
            text = self._part(rng, "introduce") + rng.choice([" ", "\n"]) + text
            me = me if rng.random() < 0.5 else None
        if not terse and rng.random() < 0.55:
            greeting = self._part(rng, "greeting_name" if rng.random() < 0.2 else "greeting")
            text = greeting + rng.choice([", ", ",\n", ",\n\n", "\n", "! ", " ", " - "]) + text
        if not terse and rng.random() < 0.35:
            text += rng.choice([" ", "\n", " "]) + self._part(rng, "thanks")
        if me:
            text += self._signature(rng, me, terse)
        elif rng.random() < 0.08:
            text += rng.choice([" ", "\n"]) + self._part(rng, "closing")
        if rng.random() < 0.07:
            text = self._part(rng, "subject") + rng.choice(["\n", "\n\n"]) + text
        if rng.random() < 0.06:
            text += "\n\n" + self._part(rng, "reply") + "\n" + rng.choice(["", "> "]) + self._part(rng, "quoted")
        return text

    def _signature(self, rng, me: str, terse: bool) -> str:
        name, draw = f"«requester:{me}»", rng.random()
        if terse or draw < 0.42:
            # Most people only add their name, some what they do.
            plain_end = rng.random() < 0.5
            ending = rng.choice([" {}", " {}", "\n{}"]) if plain_end else rng.choice([" - {}", " /{}", ". {}", " ({})", ", {}", "\n-{}", " / {}"])
            job = f", {self._part(rng, rng.choice(['department', 'jobtitle']))}" if plain_end and rng.random() < 0.2 else ""
            return ending.format(name) + job
        closing = self._part(rng, "closing")
        text = rng.choice([f"\n{closing},\n{name}", f"\n\n{closing}\n{name}", f"\n{closing} {name}", f" {closing}, {name}", f"\n{closing}, {name}", f"\n{name}", f"\n\n{name}"])
        if rng.random() < 0.35:
            department = self._part(rng, "department")
            text += rng.choice([f"\n{department}", f", {department}", f"\n{self._part(rng, 'jobtitle')}\n{department}", f"\n{self._part(rng, 'jobtitle')}, {department}", f" ({department})", f" | {department}"])
            if rng.random() < 0.25:
                text += self.grammar.expand(rng, rng.choice(["\nPhone <phone>", "\next. <ext>", "\nTel.: <phone>", "\n<town>", "\n<number> <family> Street"]))
        return text

    @staticmethod
    def _noisy(rng, pieces, summary: str):
        draw = rng.random()
        if draw < 0.16:
            pieces, summary = noise.lower(pieces, spans_too=rng.random() < 0.4), summary.lower()
        elif draw < 0.175:
            pieces, summary = noise.shout(pieces), summary.lower()
        if rng.random() < 0.10:
            pieces = noise.shorthand(rng, pieces)
        if rng.random() < 0.22:
            pieces = noise.typos(rng, pieces, rng.randint(1, 4))
        return pieces, summary
