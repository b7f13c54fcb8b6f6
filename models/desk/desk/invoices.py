"""Invoices and receipts, as they come out of PDFs, tills and mails, with the forms that they fill."""

import random
import string
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from . import people
from .grammar import Grammar, read_pools
from .locales import DATA, Locale, read_locales

# Layouts are triples of parts; these combinations are kept from training.
META_STYLES = ["lines", "lines", "lines_plain", "one_line", "table", "below", "title", "dots", "sentence"]
TOTAL_STYLES = ["plain", "symbol", "code", "columns", "dots"]
ITEM_STYLES = ["none", "simple", "quantity", "table", "numbered"]


def layout_is_held_out(meta: str, items: str, totals: str) -> bool:
    """Whether a combination of parts is kept from training."""
    return (META_STYLES.index(meta) * 7 + ITEM_STYLES.index(items) * 3 + TOTAL_STYLES.index(totals)) % 11 == 4


def _digits(rng, count: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(count))


def invoice_number(rng, year: int) -> str:
    """An invoice's number, in one of many houses' styles."""
    letters = "".join(rng.choice(string.ascii_uppercase) for _ in range(rng.randint(1, 3)))
    prefix = rng.choice(["INV", "RE", "F", "FV", "R", "A", "FT", "SI", "TN", "BW", letters, letters, letters])
    return rng.choice([
        f"{prefix}-{_digits(rng, rng.randint(3, 6))}", f"{prefix}-{year}-{_digits(rng, rng.randint(3, 4))}", f"{_digits(rng, rng.randint(3, 7))}",
        f"{rng.randint(100, 9999)}", f"{rng.randint(1, 99999)}", f"{year}/{_digits(rng, rng.randint(2, 4))}", f"{year}-{_digits(rng, rng.randint(2, 4))}",
        f"{prefix}/{year}/{_digits(rng, 3)}", f"{prefix}/{_digits(rng, 3)}/{rng.randint(1, 12):02}/{year}", f"{prefix}{_digits(rng, rng.randint(4, 10))}",
        f"{_digits(rng, 3)}-{_digits(rng, 4)}", f"{prefix} {year}/{_digits(rng, 3)}", f"{prefix}-{_digits(rng, 2)}-{_digits(rng, 4)}", f"{year % 100}-{_digits(rng, 3)}",
        f"{prefix}-{year}/{_digits(rng, 2)}", f"{prefix}/{year % 100}/{_digits(rng, 3)}", f"{prefix}-{_digits(rng, 2)}-{_digits(rng, 6)}", f"{_digits(rng, 9)}",
    ])


@dataclass
class Invoice:
    """What an invoice says, before it is laid out."""

    supplier: str
    number: str
    day: date
    due: date | None
    goods: list[tuple[str, int, Decimal]]
    net: Decimal | None
    tax: Decimal | None
    total: Decimal
    receipt: bool
    date_form: str = ""
    grouped: bool = True
    # The only item's amount is the net sum, which has no line of its own.
    net_in_items: bool = False
    # The line of the due date, where it stands below the totals.
    late_due: str | None = None


class InvoiceMaker:
    """Makes invoices, from the training side of all pools or from the held-out one."""

    def __init__(self, held_out: bool):
        self.held_out = held_out
        pools = {**people.LEXICON, **read_pools(DATA / "goods.txt")}
        self.grammar = Grammar(pools, set(pools), held_out)
        self.locales = list(read_locales().values())
        self.weights = [3 if locale.currency in ("EUR", "USD", "GBP", "CHF") else 1.3 for locale in self.locales]

    def make(self, rng) -> tuple[str, dict]:
        """The text and its form."""
        locale = rng.choices(self.locales, self.weights)[0]
        invoice = self._invoice(rng, locale)
        while True:
            styles = rng.choice(META_STYLES), rng.choice(ITEM_STYLES), rng.choice(TOTAL_STYLES)
            if layout_is_held_out(*styles) == self.held_out:
                break
        single = len(invoice.goods) == 1 and styles[1] != "none" and invoice.tax is not None
        invoice.net_in_items = single and rng.random() < 0.35
        text = Page(rng, locale, invoice, self.grammar).render(*styles)
        amount = lambda value: None if value is None else float(value)  # noqa: E731
        return text, {
            "supplier": invoice.supplier, "invoice_number": invoice.number, "date": invoice.day.isoformat(),
            "due_date": invoice.due.isoformat() if invoice.due else None, "currency": locale.currency,
            "net": amount(invoice.net), "tax": amount(invoice.tax), "total": amount(invoice.total),
        }

    def _supplier(self, rng, locale: Locale, receipt: bool) -> str:
        pick, draw = lambda pool: self.grammar.pick(rng, pool), rng.random()
        town = people.town(rng, self.grammar)
        if receipt and draw < 0.5:
            kind = pick("place_kind")
            name = rng.choice([f"{kind} {pick('first_word')}", f"{kind} {people.family(rng, self.grammar)}", f"{people.family(rng, self.grammar)} {kind}", f"{kind} {town}",
                               f"{pick('first_word')} {kind}", f"{kind} {people.invented(rng)}"])
        elif draw < 0.08:
            return people.full_name(rng, self.grammar)
        else:
            trade = pick("trade")
            name = rng.choice([f"{people.family(rng, self.grammar)} {trade}", f"{pick('first_word')} {trade}", f"{pick('first_word')}{trade.lower()} {pick('trade')}", people.family(rng, self.grammar),
                               f"{people.invented(rng)} {trade}", f"{people.invented(rng)}", f"{pick('first_word')} {pick('first_word')} {trade}", f"{town} {trade}", f"{trade} {town}",
                               f"{people.family(rng, self.grammar)} & {people.family(rng, self.grammar)}", f"{people.given(rng, self.grammar)}'s {trade}", f"{trade} {people.invented(rng)}"])
            suffix = rng.choice(locale.lists["suffix"])
            name = f"{name} {suffix}".strip() if rng.random() < 0.75 else name
        return name.upper() if rng.random() < 0.2 else name

    def _invoice(self, rng, locale: Locale) -> Invoice:
        receipt = rng.random() < 0.3
        day = date(2022, 1, 1) + timedelta(days=rng.randrange(5 * 365))
        due = day + timedelta(days=rng.choice([7, 8, 10, 14, 14, 15, 20, 21, 30, 30, 30, 45, 60, rng.randint(3, 40)])) if not receipt and rng.random() < 0.68 else None
        scale = {0: 100, 2: 1}[locale.places] * rng.choice([1, 1, 3, 10, 60 if not receipt else 1])
        goods = []
        for _ in range(rng.choice([1, 1, 1, 2, 2, 3])):
            price = Decimal(rng.choice([rng.randint(100, 9900), rng.randint(1, 99) * 100, rng.randint(10, 400) * 50])) / 100 * scale
            goods.append((self.grammar.pick(rng, "good"), rng.choice([1, 1, 1, 2, 3, 4, 10, 12]), price if locale.places else price.quantize(Decimal(1))))
        net = sum(quantity * price for _, quantity, price in goods)
        unit = Decimal(1) if locale.places == 0 else Decimal("0.01")
        tax = (net * rng.choice(locale.rates) / 100).quantize(unit, ROUND_HALF_UP)
        total, draw = net + tax, rng.random()
        if draw < (0.5 if receipt else 0.1):
            shown_net = shown_tax = None
            total = net
        elif draw < 0.16:
            shown_net, shown_tax, total = net, None, net
        elif draw < 0.22:
            shown_net, shown_tax = None, tax
        else:
            shown_net, shown_tax = net, tax
        return Invoice(self._supplier(rng, locale, receipt), invoice_number(rng, day.year), day, due, goods, shown_net, shown_tax, total, receipt,
                       rng.choice(locale.lists["dates"]), rng.random() < 0.85)


class Page:
    """Lays an invoice out."""

    def __init__(self, rng: random.Random, locale: Locale, invoice: Invoice, grammar: Grammar):
        self.rng, self.locale, self.invoice, self.grammar = rng, locale, invoice, grammar
        self.symbol = rng.choice(locale.lists["symbols"])

    def render(self, meta: str, items: str, totals: str) -> str:
        """The page with parts of these styles."""
        rng = self.rng
        head = self._head(meta)
        blocks = [self._meta(meta), self._items(items), self._totals(totals)]
        if rng.random() < 0.06:
            blocks[0], blocks[1] = blocks[1], blocks[0]
        lines = [line for block in [head, *blocks, self._foot()] for line in block if line]
        text = "\n".join(lines)
        if rng.random() < 0.10:
            text = text.replace("\n", "\n\n", rng.randint(1, 4))
        if rng.random() < 0.06:
            copied = (self.invoice.supplier, self.invoice.number)
            text = "\n".join(line.replace(" ", "   ", 1) if rng.random() < 0.4 and not any(span in line for span in copied) else line for line in text.split("\n"))
        return text.lower().replace(self.invoice.supplier.lower(), self.invoice.supplier).replace(self.invoice.number.lower(), self.invoice.number) if rng.random() < 0.03 else text

    def _label(self, name: str) -> str:
        label = self.rng.choice(self.locale.lists[name])
        return label

    def _date(self, day: date) -> str:
        return self.locale.write_date(self.invoice.date_form, day)

    def _amount(self, value: Decimal, marked: bool) -> str:
        text = self.locale.write_amount(self.invoice.grouped, value)
        if not marked:
            return text
        symbol = self.symbol
        return text + symbol.replace("_", " ") if symbol.startswith(("_", " ")) or symbol in ("zł", "Kč") else symbol + text

    def _head(self, meta: str) -> list[str]:
        rng, invoice, grammar = self.rng, self.invoice, self.grammar
        address, number = rng.choice(self.locale.lists["towns"]), rng.randint(1, 200)
        street = rng.choice([f"{number} {people.family(rng, grammar)} {rng.choice(['Street', 'Road', 'Ave', 'Lane', 'rue', 'St'])}", f"{people.family(rng, grammar)}str. {number}",
                             f"Via {people.family(rng, grammar)} {number}", f"{number} rue {people.family(rng, grammar)}", f"{people.invented(rng)}gatan {number}"])
        lines = [invoice.supplier + rng.choice(["", "", "", "", f", {address}", f" · {street} · {address}", f" - {address}", f" ({address})", " ***"])]
        extras = [street, address, f"{street}, {address}", f"VAT {_digits(rng, 9)}", f"Tel. {_digits(rng, 8)}", f"www.{people.invented(rng).lower()}.example", f"ABN {_digits(rng, 11)}",
                  f"Tax ID {_digits(rng, 10)}", f"Org.nr {_digits(rng, 3)} {_digits(rng, 3)} {_digits(rng, 3)}", f"{people.invented(rng).lower()}@mail.example"]
        lines += rng.sample(extras, rng.choice([0, 0, 1, 1, 2]))
        title = self._label("invoice")
        if meta != "title" and rng.random() < 0.55:
            lines.insert(0 if rng.random() < 0.2 else len(lines), title)
        if rng.random() < 0.06:
            lines.insert(0, rng.choice(["From: billing@mail.example", f"Subject: {title} {invoice.number}", "Hello, please find our invoice below.", "Hi, here is the bill as agreed.", "---- PDF page 1 of 1 ----"]))
        if not invoice.receipt and rng.random() < 0.4:
            customer = rng.choice([people.full_name(rng, grammar), f"{people.family(rng, grammar)} {grammar.pick(rng, 'trade')} {rng.choice(self.locale.lists['suffix'])}".strip()])
            lines.append(rng.choice(["Bill to: ", "To: ", "Customer: ", "Attn. ", "Sold to ", "Client: ", "Bill To\n"]) + customer)
        return lines

    def _distractors(self) -> list[str]:
        rng = self.rng
        pool = [f"Order no: {_digits(rng, 6)}", f"Customer no. {_digits(rng, 5)}", f"PO {_digits(rng, 8)}", f"Account {_digits(rng, 4)} {_digits(rng, 4)}", f"Your ref: {people.invented(rng)}",
                f"Table {rng.randint(1, 30)}", f"Room {rng.randint(100, 600)}", f"Kundennr. {_digits(rng, 5)}", f"Cashier {rng.randint(1, 9)}", "Terms: Net 30", f"Project: {people.invented(rng)}"]
        if rng.random() < 0.12:
            earlier = self.invoice.day - timedelta(days=rng.randint(1, 30))
            first = self._date(earlier - timedelta(days=rng.randint(1, 30)))
            pool = [f"Service date: {self._date(earlier)}", f"Delivered {self._date(earlier)}", f"Period {first} - {self._date(earlier)}", f"Arrival {first} Departure {self._date(earlier)}", f"Ordered on {self._date(earlier)}"]
            return [rng.choice(pool)]
        return rng.sample(pool, rng.choice([0, 0, 0, 1, 1, 2]))

    def _meta(self, style: str) -> list[str]:
        rng, invoice = self.rng, self.invoice
        day = self._date(invoice.day) + (f" {rng.randint(7, 22)}:{rng.randint(0, 59):02}" if invoice.receipt and rng.random() < 0.5 else "")
        pairs = [(self._label("number"), invoice.number), (self._label("date"), day)]
        if invoice.due:
            pairs.append((self._label("due"), self._date(invoice.due)))
        if style == "lines_plain":
            lines = [f"{label} {value}" for label, value in pairs]
            if rng.random() < 0.5:
                lines[1] = day
        elif style == "one_line":
            joint = rng.choice(["  ", " | ", " - ", ", ", "   "])
            colon = rng.choice(["", ":"])
            cut = rng.randint(2, len(pairs))
            lines = [joint.join(f"{label}{colon} {value}" for label, value in pairs[:cut])] + [f"{label}{colon} {value}" for label, value in pairs[cut:]]
        elif style == "table":
            gap = rng.choice([" ", "  ", "    ", "\t"])
            lines = [gap.join(label for label, _ in pairs), gap.join(value for _, value in pairs)]
        elif style == "below":
            lines = [line for pair in pairs for line in pair]
        elif style == "title":
            title = self._label("invoice")
            of = [label for label in self.locale.lists["date"] if label.islower()] or ["of", "dated", "-"]
            joint = rng.choice([" ", f" {rng.choice(of)} ", f" {rng.choice(of)} ", ", ", "     ", " / "])
            lines = [f"{title} {invoice.number}{joint}{day}"] + [f"{label}: {value}" for label, value in pairs[2:]]
        elif style == "sentence":
            lines = [rng.choice([f"{pairs[0][0]} {invoice.number}, dated {day}", f"No {invoice.number}, {day}", f"{pairs[0][0]} {invoice.number} ({day})", f"{pairs[0][0]} {invoice.number}, {pairs[1][0]} {day}",
                                 f"here is our invoice {invoice.number} of {day}.", f"{day}, no. {invoice.number}"])]
            lines += [rng.choice([f"{label} {value}", f"{label}: {value}", f"Please pay by {value}.", f"please pay until {value}, thank you", f"Due {value}"]) for label, value in pairs[2:]]
        elif style == "dots":
            lines = [f"{label} {rng.choice(['..', '....', ' : ', '->'])} {value}" for label, value in pairs]
        else:
            colon = rng.choice([": ", ": ", ":", " : "])
            lines = [f"{label}{colon}{value}" for label, value in pairs]
        if invoice.due and style in ("lines", "title", "lines_plain") and rng.random() < 0.3:
            invoice.late_due = lines.pop()
        for line in self._distractors():
            lines.insert(rng.randint(0, len(lines)) if style in ("lines", "dots", "lines_plain") else len(lines), line)
        return lines

    def _items(self, style: str) -> list[str]:
        rng = self.rng
        if style == "none" and not self.invoice.receipt:
            return []
        lines = []
        for position, (name, quantity, price) in enumerate(self.invoice.goods, 1):
            amount, each = self._amount(quantity * price, rng.random() < 0.3), self._amount(price, False)
            if style == "quantity":
                lines.append(rng.choice([f"{quantity} x {name} {amount}", f"{name} x{quantity} @ {each} {amount}", f"{name} ({quantity}) {amount}", f"{name}, {quantity} pcs {amount}"]))
            elif style == "table":
                lines.append(f"{name} {quantity} {each} {amount}")
            elif style == "numbered":
                lines.append(f"{position} {name} {amount}")
            else:
                lines.append(f"{name}{rng.choice([' ', ': ', '   ', ' ... '])}{amount}")
        if style == "table":
            lines.insert(0, rng.choice(["Description Qty Price Amount", "Item Qty Unit Total", "Pos. Bezeichnung Menge Betrag", "Désignation Qté Prix Montant", "Descripción Cant. Precio Importe"]))
        return lines

    def _totals(self, style: str) -> list[str]:
        rng, invoice = self.rng, self.invoice
        pairs = []
        if invoice.net is not None and not invoice.net_in_items:
            pairs.append((self._label("net"), invoice.net))
        if invoice.tax is not None:
            pairs.append((self._label("tax"), invoice.tax))
        if len(pairs) == 2 and rng.random() < 0.06:
            pairs.reverse()
        total = (self._label("total"), invoice.total)
        if invoice.net is None and invoice.tax is not None:
            pairs = [total, ("incl. " + pairs[0][0], invoice.tax)]
        else:
            pairs.append(total)
        lines = []
        for label, value in pairs:
            is_total = (label, value) == total
            marked = style == "symbol" or (is_total and style != "code")
            amount = self._amount(value, marked)
            if style == "code":
                code = self.locale.currency
                amount = amount if code in label else rng.choice([f"{code} {amount}", f"{amount} {code}"]) if is_total or rng.random() < 0.3 else amount
            if is_total and style == "plain" and rng.random() < 0.06:
                lines.append(rng.choice([f"Received with thanks the sum of {amount}", f"Paid {amount}, thank you", f"we will debit {amount}", f"Please transfer {amount} to our account", f"The total is {amount}."]))
                continue
            gap = {"columns": " " * rng.randint(3, 12), "dots": rng.choice([" ... ", " : ", ": "])}.get(style, rng.choice([" ", " ", ": "]))
            lines.append(f"{label}{gap}{amount}")
        return lines

    def _foot(self) -> list[str]:
        rng, invoice, lines = self.rng, self.invoice, []
        if invoice.late_due:
            lines.append(invoice.late_due)
        pool = ["Thank you for your business!", "Thank you!", f"IBAN {rng.choice(['DE', 'FR', 'GB', 'NL'])}{_digits(rng, 16)}", "Terms: 30 days net", "Please transfer within 14 days.", "Paid by card", "cash",
                f"VISA **** {_digits(rng, 4)}", f"Card {_digits(rng, 4)}", "Merci de votre visite", "Vielen Dank!", "Paid with thanks", "No refunds.", f"Bank: {_digits(rng, 8)}", "Page 1 of 1", "Gracias por su compra",
                "E. & O.E.", "thx", f"Questions? call {_digits(rng, 7)}", "Payment by direct debit", "Reverse charge", "Net 30"]
        if invoice.receipt and rng.random() < 0.2:
            paid = (invoice.total // 10 + 1) * 10
            lines += [f"Cash {self._amount(paid, False)}", f"Change {self._amount(paid - invoice.total, False)}"]
        return lines + rng.sample(pool, rng.choice([0, 0, 1, 1, 2]))

