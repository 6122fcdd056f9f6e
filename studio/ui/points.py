"""Curves on their way to the browser: a short JSON text, and behind it the numbers as they lie in memory.

As text they would weigh four times as much, and a watched run sends them once a second.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from studio.actions.curves import CurveView

MEDIA_TYPE = "application/octet-stream"


def pack_curves(view: CurveView, facts: Mapping[str, object]) -> bytes:
    """`uint32` length, JSON padded to whole words, then each curve's places, values and smoothed values.

    All little endian; numbers are `float32`, so that steps are exact up to 2²⁴. What is no number is a NaN.
    """
    told = {
        **facts,
        "points": view.points,
        "panels": view.panels,
        "marks": view.marks,
        "curves": [
            {"name": curve.name, "panel": curve.panel, "count": len(curve.xs), "smooth": curve.smooth is not None}
            for curve in view.curves
        ],
    }
    head = json.dumps(told, ensure_ascii=False).encode()
    head += b" " * (-len(head) % 4)
    parts = [struct.pack("<I", len(head)), head]
    for curve in view.curves:
        parts += [
            numbers.astype("<f4").tobytes() for numbers in (curve.xs, curve.ys, curve.smooth) if numbers is not None
        ]
    return b"".join(parts)


def unpack_curves(packed: bytes) -> tuple[dict[str, Any], dict[str, tuple[list[float], list[float]]]]:
    """For clients in Python: the JSON, and each curve's places and values."""
    (length,) = struct.unpack_from("<I", packed)
    told: dict[str, Any] = json.loads(packed[4 : 4 + length])
    curves: dict[str, tuple[list[float], list[float]]] = {}
    at = 4 + length
    for curve in told["curves"]:
        columns = 3 if curve["smooth"] else 2
        numbers = np.frombuffer(packed, "<f4", columns * curve["count"], at).reshape(columns, -1)
        curves[curve["name"]] = numbers[0].tolist(), numbers[1].tolist()
        at += numbers.nbytes
    return told, curves
