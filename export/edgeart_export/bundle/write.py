# SPDX-License-Identifier: Apache-2.0
"""Writes a model as a bundle, and proves that edgeart reads it as it was meant."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgpack
import numpy as np
import numpy.typing as npt

import edgeart

from ..errors import ModelError
from ..examples import extreme, sample, typical
from ..files import write_atomically
from ..format.wire import Body, WireLayer, WireVariances, document
from ..model import PolicyModel
from ..model.tower import Layer, Rows
from ..quantize import encode_variances, quantize_layer, quantize_rows, stable_rows
from ..schema import FeatureSchema, Values
from .compare import Difference, against
from .stable import Previous, Stability
from .written import Written, written

MAX_VECTORS = 64
MAX_CONTEXT_BYTES = 65_536
COMPARED = 256
"""Contexts that i8 rows are compared with f32 rows on, where the caller gives none."""
MAX_FLIPS = 0.02
"""Codes of an earlier bundle are not kept where more titles than this share would flip."""


def bundle_bytes(
    model: PolicyModel,
    *,
    rows: Rows = "i8",
    vectors: Sequence[Values] | None = None,
    stable: bytes | None = None,
) -> bytes:
    """The bundle of a model: the same bytes for the same arguments, checked by edgeart itself.

    rows: `i8` is the form to ship, `f32` the reference. vectors: contexts of the test vectors
    inside (at most 64); None takes the empty, a typical and two extreme ones made from the schema.
    The format is the lowest that can say it all. stable: an earlier bundle of the policy, whose i8
    codes are kept where they will do (`quantize.stable_rows`).

    Raises ModelError; edgeart.ContextError where a context of `vectors` cannot be encoded.
    """
    if rows not in ("i8", "f32"):
        raise ModelError(f"rows must be 'i8' or 'f32', not {rows!r}")
    if stable is not None and rows != "i8":
        raise ModelError("f32 rows have no codes that could be kept; leave `stable` out")
    contexts = [packed(values) for values in _default_vectors(model.schema, vectors)]
    body = _body(model, rows, None if stable is None else Previous(stable, model))
    # The hashes come from what edgeart computes over the same policy without test vectors.
    policy = edgeart.Policy.from_bytes(document(body))
    hashes = [policy.context(context, seed=0).hash for context in contexts]
    data = document(dataclasses.replace(body, vectors=list(zip(contexts, hashes, strict=True))))
    held = edgeart.Policy.from_bytes(data).verify()
    if held != len(contexts):
        raise ModelError(f"edgeart ran {held} test vectors of {len(contexts)} that were written")
    return data


def write_bundle(
    model: PolicyModel,
    path: str | os.PathLike[str],
    *,
    rows: Rows = "i8",
    vectors: Sequence[Values] | None = None,
    contexts: Iterable[Values] | None = None,
    stable: bytes | None = None,
) -> Written:
    """Writes `bundle_bytes` to `path`, which holds either the old or the new bundle at any time.

    contexts: what i8 rows are compared with f32 rows on; give real ones where there are any, for
    None are 256 random ones drawn from the schema. stable: as for `bundle_bytes`; not followed
    where the rows would then flip more than MAX_FLIPS against f32 rows. Raises as `bundle_bytes`,
    and OSError.
    """
    data = bundle_bytes(model, rows=rows, vectors=vectors)
    body = _body(model, rows, None)
    contexts = list(sample(model.schema, COMPARED, seed=0) if contexts is None else contexts)
    found = compare_rows(model, edgeart.Policy.from_bytes(data), contexts)
    stability = None
    if stable is not None:
        previous = Previous(stable, model)
        kept = bundle_bytes(model, rows=rows, vectors=vectors, stable=stable)
        anew, policy = (edgeart.Policy.from_bytes(each) for each in (data, kept))
        then = compare_rows(model, policy, contexts)
        stable_body = _body(model, rows, previous)
        stability = Stability(
            previous=previous.sequence,
            kept=previous.kept(stable_body.weights),
            fresh=previous.kept(body.weights),
            flips=against(anew, policy, contexts, model.title_rows().values()).flips,
            used=then.flips <= max(MAX_FLIPS, found.flips),
        )
        if stability.used:
            data, body, found = kept, stable_body, then
    write_atomically(Path(path), data)
    count = len(_default_vectors(model.schema, vectors))
    return written(Path(path), len(data), model, body, found, vectors=count, stability=stability)


def compare_rows(
    model: PolicyModel, policy: edgeart.Policy, contexts: Iterable[Values]
) -> Difference:
    """How `policy` differs from f32 rows and layers."""
    plain = [dataclasses.replace(layer, rows="f32") for layer in model.tower]
    body = _body(dataclasses.replace(model, tower=plain), "f32", None)
    exact = edgeart.Policy.from_bytes(document(body))
    return against(exact, policy, contexts, model.title_rows().values())


def _body(model: PolicyModel, rows: Rows, previous: Previous | None) -> Body:
    """All of a bundle but its test vectors. previous: codes to stay with where they will do."""
    weights: npt.NDArray[np.generic] = model.weights
    scales = np.zeros(0, dtype=np.float32)
    if rows == "i8":
        kept = previous.rows() if previous else None
        weights, scales = (
            stable_rows(model.weights, *kept) if kept else quantize_rows(model.weights)
        )
    body = Body(
        features=model.schema.features,
        k=model.k,
        name=model.name,
        sequence=model.sequence,
        meta=model.meta,
        explorer=model.explorer.wire(),
        titles=model.titles,
        rows=rows,
        weights=weights,
        scales=scales,
        bias=model.bias,
        tower=[_wire_layer(layer, layer.rows or rows) for layer in model.tower],
        cells=[cell.wire() for cell in model.cells],
        salt=model.salt,
        attributes=model.attributes,
        title_scale=model.factors,
        masks=model.sets,
    )
    if model.uses_variance and model.variance is not None:
        codes = previous.variances() if previous else None
        variances = WireVariances(*encode_variances(model.variance, codes))
        body = dataclasses.replace(body, variances=variances)
    return body


def _wire_layer(layer: Layer, rows: Rows) -> WireLayer:
    weights: npt.NDArray[np.generic] = layer.weights
    scales = np.zeros(0, dtype=np.float32)
    if rows == "i8":
        weights, scales = quantize_layer(layer.weights)
    return WireLayer(layer.activation, rows, weights, scales, layer.bias)


def _default_vectors(schema: FeatureSchema, vectors: Sequence[Values] | None) -> Sequence[Values]:
    if vectors is None:
        made = [{}, typical(schema), extreme(schema), extreme(schema, -1)]
        # A schema of very many very long words can make a context that is longer than allowed.
        return [values for values in made if len(msgpack.packb(values)) <= MAX_CONTEXT_BYTES]
    if len(vectors) > MAX_VECTORS:
        raise ModelError(f"{len(vectors)} test vectors; at most {MAX_VECTORS} are allowed")
    return vectors


def packed(values: Values) -> bytes:
    """A context as its MessagePack map. Raises ModelError where it has none, or is too long."""
    if isinstance(values, Mapping):
        try:
            data: bytes = msgpack.packb(dict(values))
        except (TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"a test vector's context has no MessagePack form: {error}") from None
    else:
        data = bytes(values)
    if len(data) > MAX_CONTEXT_BYTES:
        raise ModelError(
            f"a test vector's context has {len(data)} bytes; {MAX_CONTEXT_BYTES} are allowed"
        )
    return data
