"""How invoices are written in many countries: labels, dates, numbers, currencies. The data is `data/locales.txt`."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

DATA = Path(__file__).parent.parent / "data"
_ENGLISH = "January February March April May June July August September October November December".split()
_LISTS = ("dates", "invoice", "number", "date", "due", "net", "tax", "total", "suffix", "towns", "symbols")


@dataclass(frozen=True)
class Locale:
    """One way of writing."""

    name: str
    currency: str
    numbers: tuple[str, str]
    months: list[str]
    rates: list[Decimal]
    lists: dict[str, list[str]]

    @property
    def places(self) -> int:
        """Digits behind the decimal point."""
        return 0 if self.numbers[1] == "0" else 2

    def write_date(self, form: str, day: date) -> str:
        """A day in one of the locale's forms."""
        month = self.months[day.month - 1]
        suffix = "th" if 10 < day.day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
        values = {"d": f"{day.day:02}", "D": str(day.day), "m": f"{day.month:02}", "M": str(day.month), "B": month,
                  "b": month[:3], "Y": str(day.year), "y": f"{day.year % 100:02}"}
        if form.startswith("Dth"):
            return values["D"] + suffix + self.write_date(form[3:], day)
        words = form.split(" ")
        # `de`, as Spanish and Portuguese put it between, is no form.
        return " ".join(word if word == "de" else "".join(values.get(sign, sign) for sign in word) for word in words)

    def write_amount(self, rng_grouped: bool, amount: Decimal) -> str:
        """A sum with the locale's separators; without thousands' ones unless grouped."""
        thousands, point = self.numbers
        whole, _, cents = f"{amount:.2f}".partition(".")
        if rng_grouped and len(whole) > 3:
            mark = " " if thousands == "_" else thousands
            head = len(whole) % 3
            groups = ([whole[:head]] if head else []) + [whole[i : i + 3] for i in range(head, len(whole), 3)]
            whole = mark.join(groups)
        return whole if self.places == 0 else f"{whole}{point}{cents}"


def read_locales() -> dict[str, Locale]:
    """All of them, by name."""
    locales = {}
    for block in (DATA / "locales.txt").read_text(encoding="utf-8").split("\n== ")[1:]:
        name, _, body = block.partition("\n")
        keys = {}
        for part in body.replace("; symbols:", "\nsymbols:").replace("; numbers:", "\nnumbers:").replace("; rates:", "\nrates:").splitlines():
            key, colon, value = part.partition(": ")
            if colon:
                keys[key.strip()] = value if key.strip() == "symbols" else value.strip()
        lists = {key: keys[key].split("|") for key in _LISTS}
        thousands, point = keys["numbers"].split(" ")
        locales[name] = Locale(name, keys["currency"], (thousands, point), keys["months"].split() if "months" in keys else _ENGLISH,
                               [Decimal(rate) for rate in keys["rates"].split()], lists)
    return locales
