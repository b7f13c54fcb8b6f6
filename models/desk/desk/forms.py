"""The two forms: what is asked, and how an answer is spelled.

The package repeats the system prompts and schemas in `pkg/src/desk.ts`; a test holds the two together.
"""

import json

SYSTEM = {"ticket": "Fill in the ticket form.", "invoice": "Fill in the invoice form."}
FIELDS = {
    "ticket": ["category", "priority", "summary", "requester", "asset", "location", "due"],
    "invoice": ["supplier", "invoice_number", "date", "due_date", "currency", "net", "tax", "total"],
}
AMOUNTS = ("net", "tax", "total")
# Currencies whose sums have no cents.
WHOLE = {"JPY", "KRW", "HUF"}

SYSTEM_TOKEN, USER_TOKEN, ASSISTANT_TOKEN, END_TOKEN, PAD_TOKEN = "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"
SPECIAL_TOKENS = [PAD_TOKEN, SYSTEM_TOKEN, USER_TOKEN, ASSISTANT_TOKEN, END_TOKEN]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def prompt(task: str, text: str) -> str:
    """The conversation up to the answer, as the chat template writes it."""
    return f"{SYSTEM_TOKEN}{SYSTEM[task]}{END_TOKEN}{USER_TOKEN}{text}{END_TOKEN}{ASSISTANT_TOKEN}"


def _value(form: dict, name: str) -> str:
    value = form[name]
    if name in AMOUNTS and value is not None:
        return f"{value:.0f}" if form["currency"] in WHOLE else f"{value:.2f}"
    return json.dumps(value, ensure_ascii=False)


def spell(task: str, form: dict) -> str:
    """The form as JSON without spaces, fields in their order, sums with cents where the currency has them."""
    return "{" + ",".join(f'"{name}":{_value(form, name)}' for name in FIELDS[task]) + "}"


def value_spans(task: str, form: dict) -> list[tuple[str, int, int]]:
    """Where each field's value stands in the spelled form: name, first character, the one behind the last."""
    spans, at = [], 1
    for name in FIELDS[task]:
        start = at + len(name) + 3
        at = start + len(_value(form, name)) + 1
        spans.append((name, start, at - 1))
    return spans
