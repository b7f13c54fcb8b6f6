"""`python -m desk STEP`: the steps from nothing to the model, in their order. `cargo xtask train desk` runs them all."""

import argparse
import json
from pathlib import Path

from . import export, training, vocabulary
from .corpus import Corpus
from .forms import FIELDS
from .network import Shape

SEED = 1
# Another seed than the training's, and held-out names, phrasings and layouts besides.
HELD_OUT_SEED = 1001
HELD_OUT_FORMS = 200


def main() -> None:
    """Runs one step; each reads what the ones before it wrote into the folder."""
    parser = argparse.ArgumentParser(prog="desk")
    parser.add_argument("step", choices=["vocabulary", "train", "export", "held-out", "golden-ids"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--stable-steps", type=int, default=training.Plan.stable_steps)
    parser.add_argument("--decay-steps", type=int, default=training.Plan.decay_steps)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    tokenizer_file = arguments.folder / "tokenizer.json"
    if arguments.step == "vocabulary":
        vocabulary.train(SEED).save(str(tokenizer_file))
    elif arguments.step == "train":
        plan = training.Plan(seed=SEED, stable_steps=arguments.stable_steps, decay_steps=arguments.decay_steps)
        training.train(plan, Shape(), vocabulary.load(tokenizer_file), arguments.folder)
    elif arguments.step == "export":
        export.export(arguments.folder / "checkpoint.pt", tokenizer_file, arguments.folder / "desk.gguf")
    elif arguments.step == "held-out":
        write_held_out(arguments.folder)
    else:
        write_golden_ids(tokenizer_file, Path(__file__).parent.parent / "eval")


def write_held_out(folder: Path) -> None:
    """The evaluation sets that the generator makes from what training never sees."""
    corpus = Corpus(HELD_OUT_SEED, held_out=True)
    for task in FIELDS:
        lines = [json.dumps({"text": text, "form": form}, ensure_ascii=False) for text, form in corpus.chunk(task, 0, HELD_OUT_FORMS)]
        (folder / f"held_out_{task}s.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


# What the evaluation sets lack: spaces in a row, tabs, line ends of another system, joined marks, numerals of other scripts.
ODD_TEXTS = ["", " ", "  two  spaces", "tab\there", "line\r\nline\n\n\nline", "I'll, you're; IT'S", "e\u0301 is not é", "٣٤ and 三", "🔥🖨️", "<|user|>", "a" * 50, "___--==//", "naïve Ωmega ß"]


def write_golden_ids(tokenizer_file: Path, folder: Path) -> None:
    """The ids that the vocabulary gives to the evaluation sets' texts: what other implementations are held against."""
    tokenizer = vocabulary.load(tokenizer_file)
    tokenizer.encode_special_tokens = True
    texts = list(ODD_TEXTS)
    for name in ("tickets", "invoices", "offtopic", "bad_input"):
        texts += [json.loads(line)["text"] for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    lines = [json.dumps({"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids}, ensure_ascii=False) for text in texts]
    (folder / "golden_ids.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
