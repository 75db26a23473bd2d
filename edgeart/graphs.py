# SPDX-License-Identifier: Apache-2.0
"""Whether an ONNX graph fits a policy: shapes, and where they are told, artworks and features."""

from __future__ import annotations

import json

from edgeart.errors import GraphError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edgeart.policy import Policy

_UNCERTAIN = ("thompson", "ucb")


def check(policy: Policy, session: Any) -> list[str]:
    """The outputs to ask the graph for, if it fits the policy. Raises GraphError.

    session: an onnxruntime.InferenceSession.
    """
    inputs = {x.name: x for x in session.get_inputs()}
    outputs = {x.name: x for x in session.get_outputs()}
    if set(inputs) != {"context"} or "scores" not in outputs:
        raise GraphError(
            f"the graph has the inputs {sorted(inputs)} and outputs {sorted(outputs)}; input "
            f"context and output scores are needed"
        )
    kinds = [
        explorer.kind for explorer in (policy.explorer, *(cell.explorer for cell in policy.cells))
    ]
    wanted = sorted(set(kinds).intersection(_UNCERTAIN))
    if wanted and "variances" not in outputs:
        raise GraphError(
            f"policy {policy.name!r} explores by {', '.join(wanted)} and needs a graph with an "
            f"output variances; write it with edgeart_export.write_onnx from the same model"
        )
    used = ["scores", "variances"] if wanted else ["scores"]
    for value, width in (
        (inputs["context"], policy.slots),
        *((outputs[name], policy.artwork_count) for name in used),
    ):
        if value.type != "tensor(float)" or len(value.shape) != 2 or value.shape[1] != width:
            raise GraphError(
                f"{value.name} of the graph is {value.type} {value.shape}; policy "
                f"{policy.name!r} needs tensor(float) [batch, {width}]"
            )
    metadata = session.get_modelmeta().custom_metadata_map
    if "edgeart.titles" in metadata:
        _check_titles(policy, json.loads(metadata["edgeart.titles"]))
    if "edgeart.schema" in metadata:
        _check_features(policy, json.loads(metadata["edgeart.schema"]))
    return used


def _check_titles(policy: Policy, titles: dict[str, list[str]]) -> None:
    own = {title: list(policy.artworks(title)) for title in policy.titles}
    if [*own.items()] == [*titles.items()]:
        return
    different = [title for title in own if titles.get(title) != own[title]]
    where = f"title {different[0]!r}" if different else "the order or number of titles"
    raise GraphError(
        f"the graph was written for other artworks than policy {policy.name!r}, sequence "
        f"{policy.sequence}, has: {where} differs; write both from one model"
    )


def _check_features(policy: Policy, schema: list[dict[str, Any]]) -> None:
    """Compares with what `edgeart_export.FeatureSchema.to_json` describes."""
    for feature, described in zip(policy.features, schema, strict=False):
        own: dict[str, Any] = {"kind": feature.kind, "name": feature.name}
        if feature.words:
            own["words"] = list(feature.words)
        elif feature.kind == "number":
            own |= {"mean": feature.centre, "std": feature.scale, "indicator": feature.indicator}
            own["clip"] = feature.clip
        else:
            own |= {"length": feature.width, "clip": feature.clip}
        if own != described:
            raise GraphError(
                f"the graph was written for another encoding than policy {policy.name!r} has: "
                f"feature {feature.name!r} is {described}, not {own}; write both from one model"
            )
    if len(schema) != len(policy.features):
        raise GraphError(
            f"the graph reads {len(schema)} features, policy {policy.name!r} has "
            f"{len(policy.features)}; write both from one model"
        )
