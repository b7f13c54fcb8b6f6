"""From a checkpoint and a vocabulary to the file that ships."""

import json
from pathlib import Path

import torch

from . import gguf
from .forms import CHAT_TEMPLATE, END_TOKEN, PAD_TOKEN, SPECIAL_TOKENS
from .network import Shape

_NORMAL, _CONTROL = 1, 3
_NAMES = {"attn_norm": "attn_norm", "ffn_norm": "ffn_norm", "q_norm": "attn_q_norm", "k_norm": "attn_k_norm", "q": "attn_q", "k": "attn_k", "v": "attn_v",
          "o": "attn_output", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down"}


def _vocabulary(tokenizer_file: Path) -> dict:
    content = json.loads(tokenizer_file.read_text(encoding="utf-8"))
    ids = content["model"]["vocab"]
    tokens = sorted(ids, key=ids.get)
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [_CONTROL if token in SPECIAL_TOKENS else _NORMAL for token in tokens],
        "tokenizer.ggml.merges": [" ".join(merge) for merge in content["model"]["merges"]],
        "tokenizer.ggml.bos_token_id": ids[END_TOKEN],
        "tokenizer.ggml.eos_token_id": ids[END_TOKEN],
        "tokenizer.ggml.padding_token_id": ids[PAD_TOKEN],
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": CHAT_TEMPLATE,
    }


def _hyper_parameters(shape: Shape) -> dict:
    return {
        "qwen3.context_length": shape.context,
        "qwen3.embedding_length": shape.hidden,
        "qwen3.block_count": shape.layers,
        "qwen3.feed_forward_length": shape.inner,
        "qwen3.attention.head_count": shape.heads,
        "qwen3.attention.head_count_kv": shape.heads,
        "qwen3.attention.key_length": shape.head_dim,
        "qwen3.attention.value_length": shape.head_dim,
        "qwen3.attention.layer_norm_rms_epsilon": shape.eps,
        "qwen3.rope.freq_base": shape.rope_base,
    }


def export(checkpoint: Path, tokenizer_file: Path, out: Path) -> None:
    """Writes `out`."""
    state, shape = torch.load(checkpoint)["network"], Shape()
    metadata = {
        "general.architecture": "qwen3",
        "general.type": "model",
        "general.name": "desk",
        "general.description": "Fills help-desk tickets and invoice forms from plain text. Made by the tabmind project from generated text alone.",
        "general.author": "the tabmind contributors",
        "general.license": "MIT OR Apache-2.0",
        "general.languages": ["en"],
        "general.file_type": 7,
        "general.quantization_version": 2,
        **_hyper_parameters(shape),
        **_vocabulary(tokenizer_file),
    }
    tensors = {"token_embd.weight": state["embedding"].numpy(), "output_norm.weight": state["norm"].numpy()}
    for layer in range(shape.layers):
        for name, exported in _NAMES.items():
            tensors[f"blk.{layer}.{exported}.weight"] = state[f"layers.{layer}.{name}"].numpy()
    gguf.write(out, metadata, tensors)
