"""Writes the model as a GGUF file: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md"""

import struct
from pathlib import Path

import numpy as np

_MAGIC, _VERSION, _ALIGNMENT = b"GGUF", 3, 32
_F32, _Q8_0 = 0, 8
_U32, _I32, _FLOAT, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9
_BLOCK = 32


def quantize_q8_0(rows: np.ndarray) -> bytes:
    """Blocks of 32: a half-precision scale, then signed bytes."""
    blocks = rows.astype(np.float32).reshape(-1, _BLOCK)
    scales = np.abs(blocks).max(axis=1, keepdims=True) / 127
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales != 0)
    # Halves away from zero, as ggml rounds.
    scaled = blocks * inverse
    quants = (np.sign(scaled) * np.floor(np.abs(scaled) + 0.5)).astype(np.int8)
    out = np.empty(len(blocks), dtype=[("scale", "<f2"), ("quants", "i1", _BLOCK)])
    out["scale"], out["quants"] = scales[:, 0], quants
    return out.tobytes()


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value) -> tuple[int, bytes]:
    """A metadata value with its type: lists are of strings or of 32-bit integers."""
    if isinstance(value, bool):
        return _BOOL, struct.pack("<?", value)
    if isinstance(value, int):
        return _U32, struct.pack("<I", value)
    if isinstance(value, float):
        return _FLOAT, struct.pack("<f", value)
    if isinstance(value, str):
        return _STRING, _string(value)
    kind = _STRING if isinstance(value[0], str) else _I32
    items = b"".join(_string(item) if kind == _STRING else struct.pack("<i", item) for item in value)
    return _ARRAY, struct.pack("<IQ", kind, len(value)) + items


def write(path: Path, metadata: dict, tensors: dict[str, np.ndarray]) -> None:
    """Matrices become Q8_0, vectors stay as they are."""
    infos, data = [], []
    offset = 0
    for name, tensor in tensors.items():
        kind, payload = (_Q8_0, quantize_q8_0(tensor)) if tensor.ndim == 2 else (_F32, tensor.astype("<f4").tobytes())
        infos.append(_string(name) + struct.pack("<I", tensor.ndim) + b"".join(struct.pack("<Q", size) for size in reversed(tensor.shape)) + struct.pack("<IQ", kind, offset))
        payload += bytes(-len(payload) % _ALIGNMENT)
        data.append(payload)
        offset += len(payload)
    header = _MAGIC + struct.pack("<IQQ", _VERSION, len(tensors), len(metadata))
    for key, value in metadata.items():
        kind, payload = _value(value)
        header += _string(key) + struct.pack("<I", kind) + payload
    header += b"".join(infos)
    path.write_bytes(header + bytes(-len(header) % _ALIGNMENT) + b"".join(data))
