"""The network: Qwen 3's decoder (RMSNorm, per-head norms of queries and keys, RoPE, SwiGLU, tied embeddings).

Written for a CPU: prompts and answers of similar length are batched, and logits are computed for wanted positions only.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Hyper-parameters; rows are multiples of 256, so that every block format fits."""

    vocab: int = 2048
    hidden: int = 256
    layers: int = 4
    heads: int = 4
    head_dim: int = 64
    inner: int = 512
    context: int = 768
    rope_base: float = 10_000.0
    eps: float = 1e-6


class Layer(nn.Module):
    """Attention and feed-forward, each added to the stream."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape, width = shape, shape.heads * shape.head_dim
        self.attn_norm, self.ffn_norm = nn.Parameter(torch.ones(shape.hidden)), nn.Parameter(torch.ones(shape.hidden))
        self.q_norm, self.k_norm = nn.Parameter(torch.ones(shape.head_dim)), nn.Parameter(torch.ones(shape.head_dim))
        for name, rows, columns in (("q", width, shape.hidden), ("k", width, shape.hidden), ("v", width, shape.hidden), ("o", shape.hidden, width),
                                    ("gate", shape.inner, shape.hidden), ("up", shape.inner, shape.hidden), ("down", shape.hidden, shape.inner)):
            weight = torch.zeros(rows, columns) if name in ("o", "down") else torch.randn(rows, columns) * columns**-0.5
            setattr(self, name, nn.Parameter(weight))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x: [batch, tokens, hidden]."""
        shape, (batch, tokens, _) = self.shape, x.shape
        y = F.rms_norm(x, (shape.hidden,), self.attn_norm, shape.eps)
        q, k, v = (F.linear(y, weight).view(batch, tokens, shape.heads, shape.head_dim) for weight in (self.q, self.k, self.v))
        q = rotate(F.rms_norm(q, (shape.head_dim,), self.q_norm, shape.eps), cos, sin)
        k = rotate(F.rms_norm(k, (shape.head_dim,), self.k_norm, shape.eps), cos, sin)
        a = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True)
        x = x + F.linear(a.transpose(1, 2).reshape(batch, tokens, -1), self.o)
        y = F.rms_norm(x, (shape.hidden,), self.ffn_norm, shape.eps)
        return x + F.linear(F.silu(F.linear(y, self.gate)) * F.linear(y, self.up), self.down)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """RoPE over halves; x: [batch, tokens, heads, head_dim], cos and sin: [tokens, 1, head_dim / 2]."""
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


class Network(nn.Module):
    """Token ids in, logits out."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.randn(shape.vocab, shape.hidden) * 0.02)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.hidden))
        frequencies = shape.rope_base ** (-torch.arange(0, shape.head_dim, 2) / shape.head_dim)
        angles = torch.outer(torch.arange(shape.context), frequencies)[:, None, :]
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, ids: Tensor, wanted: Tensor | None = None) -> Tensor:
        """ids: [batch, tokens]; wanted: [batch, tokens], whose logits are returned as [wanted, vocab]."""
        x, tokens = F.embedding(ids, self.embedding), ids.shape[1]
        for layer in self.layers:
            x = layer(x, self.cos[:tokens], self.sin[:tokens])
        x = x if wanted is None else x[wanted]
        return F.rms_norm(x, (self.shape.hidden,), self.norm, self.shape.eps) @ self.embedding.T
