# SPDX-License-Identifier: Apache-2.0
"""Contexts made from a schema alone: for test vectors, and to compare two forms of one model."""

from __future__ import annotations

import math

import numpy as np

from .schema import Category, Feature, FeatureSchema, Number, Vector, Weights

Context = dict[str, object]

# A context map may have 65,536 bytes; its weights get this much of it, shared out evenly.
_WORDS_BYTES = 24_000


def typical(schema: FeatureSchema) -> Context:
    """One ordinary context: a number half a std above its mean, first words, a small vector."""
    return {feature.name: _typical(feature) for feature in schema.features}


def _typical(feature: Feature) -> object:
    if isinstance(feature, Number):
        return feature.mean + 0.5 * feature.std
    if isinstance(feature, Category):
        return feature.words[0]
    if isinstance(feature, Weights):
        return {word: 1.0 / (i + 1) for i, word in enumerate(feature.words[:5])}
    if not isinstance(feature, Vector):
        raise _unknown(feature)
    step = min(1.0, feature.clip) / feature.length
    return [step * (i + 1) * (-1) ** i for i in range(feature.length)]


def extreme(schema: FeatureSchema, sign: int = 1) -> Context:
    """A context at the ends of its ranges: infinite numbers, unknown words, everything clipped."""
    room = _WORDS_BYTES // max(1, sum(isinstance(f, Weights) for f in schema.features))
    return {feature.name: _extreme(feature, sign, room) for feature in schema.features}


def _extreme(feature: Feature, sign: int, room: int) -> object:
    if isinstance(feature, Number):
        return math.copysign(math.inf, sign)
    if isinstance(feature, Category):
        known = feature.words[-1]
        return known if sign < 0 else (known + "?")[-200:]
    if isinstance(feature, Weights):
        weights: dict[str, float] = {}
        for i, word in enumerate(reversed(feature.words)):
            room -= len(word.encode()) + 16
            if room < 0:
                break
            weights[word] = sign * (1e30 if i % 2 else 2.0**-40)
        return weights
    if not isinstance(feature, Vector):
        raise _unknown(feature)
    # Binary, because a long list of floats could pass the size of a context.
    ends = np.full(feature.length, sign * np.float32(3e38), dtype="<f4")
    ends[1::2] *= -1
    return ends.tobytes()


def sample(schema: FeatureSchema, count: int, seed: int) -> list[Context]:
    """`count` random contexts, always the same for one seed: each field missing one time in ten."""
    rng = np.random.default_rng(seed)
    return [
        {f.name: _sampled(f, rng) for f in schema.features if rng.random() >= 0.1}
        for _ in range(count)
    ]


def _sampled(feature: Feature, rng: np.random.Generator) -> object:
    if isinstance(feature, Number):
        return feature.mean + feature.std * float(rng.standard_normal())
    if isinstance(feature, Category):
        i = int(rng.integers(len(feature.words) + 1))
        return feature.words[i] if i < len(feature.words) else (feature.words[0] + "?")[-200:]
    if isinstance(feature, Weights):
        chosen = rng.permutation(len(feature.words))[: int(rng.integers(1, 9))]
        return {feature.words[i]: float(rng.exponential()) for i in chosen.tolist()}
    if not isinstance(feature, Vector):
        raise _unknown(feature)
    size = min(1.0, feature.clip)
    return (size * rng.standard_normal(feature.length)).astype("<f4").tobytes()


def _unknown(feature: Feature) -> TypeError:
    return TypeError(f"no example values are known for a {type(feature).__name__}")
