"""The training text: endless, and the same for the same seed."""

import random

from . import forms
from .invoices import InvoiceMaker
from .offtopic import OffTopicMaker
from .tickets import TicketMaker

OFF_TOPIC_SHARE = 0.04


class Corpus:
    """Draws examples; a chunk is a function of seed and index, so that training can go on where it stopped."""

    def __init__(self, seed: int, held_out: bool = False):
        self.seed, self.held_out = seed, held_out
        self.tickets, self.invoices, self.off_topic = TicketMaker(held_out), InvoiceMaker(held_out), OffTopicMaker(held_out)

    def chunk(self, task: str, index: int, size: int) -> list[tuple[str, dict]]:
        """So many texts of a task with their forms."""
        rng = random.Random(f"{self.seed}/{task}/{self.held_out}/{index}")
        return [self._one(task, rng) for _ in range(size)]

    def _one(self, task: str, rng) -> tuple[str, dict]:
        if not self.held_out and rng.random() < OFF_TOPIC_SHARE:
            return getattr(self.off_topic, task)(rng)
        return (self.tickets if task == "ticket" else self.invoices).make(rng)


def written(task: str, text: str, form: dict) -> tuple[str, str]:
    """Prompt and completion as the model reads them."""
    return forms.prompt(task, text), forms.spell(task, form) + forms.END_TOKEN
