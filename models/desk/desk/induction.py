"""A network that can copy before it has seen a word.

A decoder learns to copy by finding an *induction head* (Olsson et al., 2022): one layer notes for each token which one
stood before it, the next looks for the place whose note is the current token and repeats what stands there. Finding
that circuit takes a small network millions of tokens; writing it down takes fifty lines. Everything stays trainable.

Here two tokens are noted, the one before and the one before that, because numbers are written digit by digit: in
10,000.00 a zero alone does not tell what comes next. A place where both match weighs more than one where only the
current token does.

Directions of the stream: dimension 0 of every embedding is the same constant (what a head needs that looks at a
position and not at a word); the dimensions of the notes are zero in embeddings.
"""

import torch
from torch import Tensor

from .network import Layer, Network

_CONSTANT = 0
# Dimensions of the note of the token before, and of that of the token before it.
_NOTE, _EARLIER = 64, 48
_EMBEDDING_SCALE = 0.1
# Pairs of a head's dimensions that RoPE turns fast tell neighbours apart, those that it turns slowly compare words.
_FAST = range(6)
_SLOW = range(18, 32)
_SHARPNESS = 1.8
_NORM = 0.5
# What a copied word adds to the stream, in embeddings.
_COPYING = 2.5


def _orthonormal(rows: int, columns: int) -> Tensor:
    return torch.linalg.qr(torch.randn(columns, rows))[0].T


@torch.no_grad()
def write_induction_heads(network: Network) -> None:
    """Writes two note-taking heads into the first layer and three induction heads into the second."""
    shape = network.shape
    words = shape.hidden - _NOTE - _EARLIER
    earlier, note = slice(words, words + _EARLIER), slice(words + _EARLIER, shape.hidden)
    network.embedding.copy_(torch.randn(shape.vocab, shape.hidden) * _EMBEDDING_SCALE)
    network.embedding[:, _CONSTANT] = 2 * _EMBEDDING_SCALE
    network.embedding[:, words:] = 0
    network.norm.fill_(_NORM)
    # What a note says of a word: some of its dimensions. The earlier one's note says fewer of the same.
    noted = torch.zeros(_NOTE, shape.hidden)
    noted[:, 1:words] = _orthonormal(_NOTE, words - 1)

    first, second = network.layers[0], network.layers[1]
    _note_taker(first, 0, 1, noted, note)
    _note_taker(first, 1, 2, noted[:_EARLIER], earlier)
    half = shape.head_dim // 2
    slow = torch.tensor([*_SLOW, *(i + half for i in _SLOW)])
    copied = _orthonormal(words - 1, words - 1)
    for index in range(3):
        head = slice(index * shape.head_dim, (index + 1) * shape.head_dim)
        compared, compared_earlier = _orthonormal(len(slow), _NOTE), _orthonormal(len(slow), _EARLIER)
        second.q[head], second.k[head], second.v[head] = 0.0, 0.0, 0.0
        # The current token is compared with the one before the place, the one before it with the one before that.
        second.q[slow + head.start] = compared @ noted
        second.q[slow + head.start, note.start : note.start + _EARLIER] = compared_earlier
        second.k[slow + head.start, note] = compared
        second.k[slow + head.start, earlier] = compared_earlier
        part = copied[index * shape.head_dim : (index + 1) * shape.head_dim]
        second.v[head.start : head.start + len(part), 1:words] = part
        second.o[1:words, head.start : head.start + len(part)] = _COPYING * _EMBEDDING_SCALE * part.T
    second.q_norm[slow], second.k_norm[slow] = _SHARPNESS, _SHARPNESS


def _note_taker(layer: Layer, index: int, distance: int, noted: Tensor, note: slice) -> None:
    """A head that looks at the token so many places before and notes what it is."""
    shape = layer.shape
    half, head = shape.head_dim // 2, slice(index * shape.head_dim, (index + 1) * shape.head_dim)
    angles = torch.tensor([distance * shape.rope_base ** (-i / half) for i in _FAST])
    fast, other = torch.tensor(list(_FAST)), torch.tensor(list(_FAST)) + half
    layer.q[head], layer.k[head], layer.v[head] = 0.0, 0.0, 0.0
    layer.k[fast + head.start, _CONSTANT] = 1.0
    # A query turned back by the distance matches the key of the position so far before.
    layer.q[fast + head.start, _CONSTANT], layer.q[other + head.start, _CONSTANT] = angles.cos(), -angles.sin()
    for norm in (layer.q_norm, layer.k_norm):
        norm[torch.cat([fast, other])] = _SHARPNESS
    layer.v[head.start : head.start + len(noted)] = noted
    layer.o[note, head.start : head.start + len(noted)] = _EMBEDDING_SCALE * torch.eye(len(noted))
