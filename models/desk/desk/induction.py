"""A network that can copy before it has seen a word.

A decoder learns to copy by finding an *induction head* (Olsson et al., 2022): one layer notes for each token which one
stood before it, the next looks for the place whose note is the current token and repeats what stands there. Finding
that circuit takes a small network millions of tokens; writing it down takes forty lines. Everything stays trainable.

Directions of the stream: dimension 0 of every embedding is the same constant (what a head needs that looks at a
position and not at a word); `NOTE` dimensions, in which embeddings are zero, take the note.
"""

import torch
from torch import Tensor

from .network import Network

_CONSTANT = 0
_NOTE = 64
_EMBEDDING_SCALE = 0.1
# Pairs of a head's dimensions that RoPE turns fast tell neighbours apart, those that it turns slowly compare words.
_FAST = range(6)
_SLOW = range(18, 32)
_SHARPNESS = 1.6
_NORM = 0.5


def _orthonormal(rows: int, columns: int) -> Tensor:
    return torch.linalg.qr(torch.randn(columns, rows))[0].T


@torch.no_grad()
def write_induction_heads(network: Network) -> None:
    """Writes a note-taking head into the first layer and three induction heads into the second."""
    shape = network.shape
    half, note = shape.head_dim // 2, slice(shape.hidden - _NOTE, shape.hidden)
    words = shape.hidden - _NOTE
    network.embedding.copy_(torch.randn(shape.vocab, shape.hidden) * _EMBEDDING_SCALE)
    network.embedding[:, _CONSTANT] = 2 * _EMBEDDING_SCALE
    network.embedding[:, note] = 0
    network.norm.fill_(_NORM)
    # What a note says of a word: some of its dimensions.
    noted = torch.zeros(_NOTE, shape.hidden)
    noted[:, 1:words] = _orthonormal(_NOTE, words - 1)

    first, second = network.layers[0], network.layers[1]
    head = slice(0, shape.head_dim)
    angles = torch.tensor([shape.rope_base ** (-i / half) for i in _FAST])
    fast, other = torch.tensor(list(_FAST)), torch.tensor(list(_FAST)) + half
    first.q[head], first.k[head] = 0.0, 0.0
    first.k[fast, _CONSTANT] = 1.0
    # A query turned back by one position matches the key of the position before.
    first.q[fast, _CONSTANT], first.q[other, _CONSTANT] = angles.cos(), -angles.sin()
    for norm in (first.q_norm, first.k_norm):
        norm[torch.cat([fast, other])] = _SHARPNESS
    first.v[head] = noted
    first.o[note, head] = _EMBEDDING_SCALE * torch.eye(_NOTE, shape.head_dim)

    slow = torch.tensor([*_SLOW, *(i + half for i in _SLOW)])
    copied = _orthonormal(words - 1, words - 1)
    for index in range(3):
        head = slice(index * shape.head_dim, (index + 1) * shape.head_dim)
        compared = _orthonormal(len(slow), _NOTE)
        second.q[head], second.k[head], second.v[head] = 0.0, 0.0, 0.0
        second.q[slow + head.start] = compared @ noted
        second.k[slow + head.start, note] = compared
        part = copied[index * shape.head_dim : (index + 1) * shape.head_dim]
        second.v[head.start : head.start + len(part), 1:words] = part
        second.o[1:words, head.start : head.start + len(part)] = 1.5 * _EMBEDDING_SCALE * part.T
    second.q_norm[slow], second.k_norm[slow] = _SHARPNESS, _SHARPNESS
