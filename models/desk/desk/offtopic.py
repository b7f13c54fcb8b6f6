"""Texts that are neither tickets nor invoices.

Their forms are drawn at random, category by category: what is learnt from that is to spread the probability, so that
an application can tell from the confidence that the form is worth nothing.
"""

from datetime import date, timedelta

from . import people, slots
from .grammar import Grammar, read_pools
from .invoices import invoice_number
from .tickets import CATEGORIES, DATA, PRIORITIES

_CURRENCIES = "EUR USD GBP CHF PLN SEK NOK DKK CZK JPY INR CAD AUD BRL TRY".split()


class OffTopicMaker:
    """Makes texts with forms that say nothing."""

    def __init__(self, held_out: bool):
        pools = read_pools(DATA / "offtopic.txt")
        self.grammar = Grammar({**people.LEXICON, **read_pools(DATA / "words.txt"), **pools}, {"sentence", *people.OPEN_POOLS}, held_out)
        self.grammar.makers.update(slots.MAKERS)

    def text(self, rng) -> str:
        """Some sentences, or noise."""
        draw = rng.random()
        if draw < 0.08:
            return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz      0123456789!?#$%&*+;:.,<>~|\n") for _ in range(rng.randint(1, 60)))
        if draw < 0.10:
            return rng.choice(["", " ", "?", "...", "ok", "test", "hello", "hi", "thanks"])
        return rng.choice([" ", " ", "\n"]).join(self.grammar.expand(rng, "<sentence>") for _ in range(rng.choice([1, 1, 2, 2, 3])))

    def ticket(self, rng) -> tuple[str, dict]:
        """A text and a random ticket."""
        text = self.text(rng)
        words = text.split()
        form = {"category": rng.choice(CATEGORIES), "priority": rng.choice(PRIORITIES), "summary": " ".join(words[: rng.randint(2, 8)]).strip(" .,!?")[:80]}
        return text, form | dict.fromkeys(("requester", "asset", "location", "due"))

    def invoice(self, rng) -> tuple[str, dict]:
        """A text and a random invoice."""
        text = self.text(rng)
        words = text.split() or ["?"]
        start = rng.randrange(len(words))
        day = date(2020, 1, 1) + timedelta(days=rng.randrange(3000))
        form = {"supplier": " ".join(words[start : start + rng.randint(1, 3)]), "invoice_number": rng.choice([rng.choice(words), invoice_number(rng, day.year)]),
                "date": day.isoformat(), "due_date": None, "currency": rng.choice(_CURRENCIES), "net": None, "tax": None, "total": rng.randint(0, 10 ** rng.randint(1, 6)) / 100}
        return text, form
