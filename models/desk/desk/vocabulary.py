"""The vocabulary: byte-level BPE whose words keep their spelling wherever they stand.

In most vocabularies ` Anna` behind a space and `"Anna` behind a quotation mark fall into different tokens, which makes
copying a thing to be learnt word by word. Here no merge crosses a space, so that a name is the same tokens in the
message and in the form. Only the few hundred commonest small-letter words get a second token with the space in it; their
merges come last, so that they cannot change how anything else is cut.

Files say `tokenizer.ggml.pre = smollm`: digits one by one, then GPT-2's expression.
"""

import json
import re
from collections import Counter
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from . import people
from .corpus import Corpus, written
from .forms import FIELDS, SPECIAL_TOKENS, SYSTEM

SIZE = 2048
SPACED_WORDS = 352
_EXAMPLES = 12_000
_SPACE = "Ġ"
NAMES = {name for pool in people.LEXICON.values() for name in pool}


def _shipped_pre_tokenizer():
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])


def _build(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = _shipped_pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    return tokenizer


def train(seed: int) -> Tokenizer:
    """The vocabulary of the corpus that this seed makes."""
    corpus, texts, words = Corpus(seed), [], Counter()
    for task in FIELDS:
        for text, form in corpus.chunk(task, -1, _EXAMPLES):
            texts += [SYSTEM[task], text, written(task, text, form)[1]]
            words.update(re.findall(r"(?<= )[A-Z]?[a-z]+(?![A-Za-z])|(?<= )I\b", text))
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(" "), "isolated"), _shipped_pre_tokenizer()])
    trainer = trainers.BpeTrainer(vocab_size=SIZE - SPACED_WORDS, special_tokens=SPECIAL_TOKENS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    bare.train_from_iterator((text for text in texts), trainer)
    import json

    model = json.loads(bare.to_str())["model"]
    vocabulary, merges = model["vocab"], [tuple(merge) for merge in model["merges"]]
    spaced = [word for word, _ in words.most_common() if word in vocabulary and word not in NAMES][:SPACED_WORDS]
    for word in spaced:
        vocabulary[_SPACE + word] = len(vocabulary)
        merges.append((_SPACE, word))
    return _build(vocabulary, merges)


def load(path: Path) -> Tokenizer:
    """A vocabulary from its tokenizer.json."""
    return Tokenizer.from_file(str(path))
