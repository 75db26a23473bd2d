# SPDX-License-Identifier: Apache-2.0
"""A lifted torch network computes what torch computes, and what cannot be lifted is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeart_export import FeatureSchema, ModelError, from_onnx, from_torch
from edgeart_export.examples import sample
from edgeart_export.model.tower import forward

torch = pytest.importorskip("torch", reason="torch is needed for what lifts its networks")
nn = torch.nn

WIDTH = 26  # of the session's schema


def made(*modules: torch.nn.Module) -> torch.nn.Module:
    """The modules in a Sequential, with weights that are always the same."""
    generator = torch.Generator().manual_seed(7)
    whole = nn.Sequential(*modules)
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.normal_(0, 0.4, generator=generator)
    return whole


def deep() -> torch.nn.Module:
    return made(
        nn.Flatten(),
        nn.Linear(WIDTH - 1, 20),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Sequential(nn.Linear(20, 12, bias=False), nn.Tanh(), nn.Identity()),
        nn.Linear(12, 4),
    )


def test_a_tower_computes_what_torch_computes(schema: FeatureSchema) -> None:
    module = deep()
    module.train()
    tower = from_torch(module, schema)
    assert module.training  # it is left as it was
    x = schema.encode_many(sample(schema, 200, seed=5))
    with torch.no_grad():
        wanted = module.eval()(torch.from_numpy(x[:, : WIDTH - 1])).numpy()
    assert wanted.std() > 0.1
    found = forward(tower, x.astype(np.float64))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert [(r.outputs, r.activation) for r in tower] == [
        (20, "relu"),
        (12, "tanh"),
        (4, "identity"),
    ]


def test_a_single_linear_of_double_is_a_layer(schema: FeatureSchema) -> None:
    linear = nn.Linear(WIDTH, 3).double()
    (layer,) = from_torch(linear, schema)
    np.testing.assert_array_equal(layer.weights, linear.weight.detach().float().numpy().T)


class Own(nn.Module):
    """What only its own forward knows."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * 2


class Doubled(nn.Linear):
    """No Linear, though it is one by type."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Own(), r"module given \(Own\) has no place in a tower; supported are Linear, ReLU"),
        (made(nn.Sequential(Doubled(WIDTH, 3))), r"module 0\.0 \(Doubled\) has no place"),
        (made(nn.Linear(WIDTH, 3), nn.GELU()), r"module 1 \(GELU\) has no place"),
        (made(nn.Flatten(0)), r"module 0 \(Flatten\) has no place"),
        (made(nn.Linear(7, 3)), r"module 0 \(Linear\): the network takes 7 inputs"),
        (
            made(nn.Linear(WIDTH, 3), nn.Linear(4, 2)),
            r"module 1 \(Linear\): weights of shape \(4, 2\)",
        ),
        (made(nn.Linear(WIDTH, 1025)), r"module 0 \(Linear\): 1025 outputs"),
    ],
)
def test_what_has_no_place_in_a_tower_is_named(
    module: torch.nn.Module, message: str, schema: FeatureSchema
) -> None:
    with pytest.raises(ModelError, match=message):
        from_torch(module, schema)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of this exporter
def test_both_lifts_give_one_tower(schema: FeatureSchema, tmp_path: Path) -> None:
    """What torch writes as ONNX without a further package, and the module itself."""
    module = deep().eval()
    file = tmp_path / "n.onnx"
    torch.onnx.export(module, (torch.zeros(2, WIDTH - 1),), str(file), dynamo=False)
    for one, two in zip(from_onnx(file, schema), from_torch(module, schema), strict=True):
        assert one.activation == two.activation
        np.testing.assert_array_equal(one.weights, two.weights)
        np.testing.assert_array_equal(one.bias, two.bias)


def test_the_package_is_imported_without_torch_and_says_what_is_missing() -> None:
    script = """
import sys
import edgeart_export
assert "torch" not in sys.modules
sys.modules["torch"] = None
try:
    edgeart_export.from_torch(None, None)
except ImportError as error:
    assert "from_torch needs torch" in str(error), error
    assert "pip install 'edgeart-export[neural]'" in str(error), error
else:
    raise AssertionError("from_torch ran without torch")
"""
    subprocess.run([sys.executable, "-c", script], check=True)
