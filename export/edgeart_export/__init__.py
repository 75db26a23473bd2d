# SPDX-License-Identifier: Apache-2.0
"""The server half of edgeart: trains, evaluates and exports the policies that devices run."""

from __future__ import annotations

from .bundle import bundle_bytes, write_bundle
from .bundle.written import Written, WrittenLayer
from .catalogue import ArtworkPrior, catalogued, load_prior, prior_of
from .errors import DataError, ExplorerError, ExportError, ModelError, SchemaError
from .estimators import (
    Estimate,
    clipped_ips,
    direct_method,
    doubly_robust,
    effective_sample_size,
    ips,
    replay,
    self_normalised_doubly_robust,
    snips,
)
from .evaluate import Evaluation, evaluate, logged_value
from .evaluate.reward_models import CrossFitted, GivenModel
from .exposures import Exposures
from .limits import CallLimits
from .log import Log
from .model import PolicyModel
from .model.cells import Cell, holdbacks
from .model.explorers import (
    EpsilonGreedy,
    Explorer,
    Fixed,
    Greedy,
    Softmax,
    SquareCB,
    Thompson,
    Ucb,
    Uniform,
    parse_explorer,
)
from .model.tower import Layer
from .onnx import onnx_model, write_onnx
from .promote import Promotion, promote
from .schema import Category, FeatureSchema, Number, Vector, Weights
from .store import load_model, save_model
from .trainers import (
    ArtworkFeatures,
    AutoTrainer,
    Epoch,
    GradientTower,
    LinearTrainer,
    NeuralLinearTrainer,
    RandomTower,
    from_onnx,
    from_torch,
    rows_of_title,
)

__version__ = "0.1.0"

__all__ = [
    "ArtworkFeatures",
    "ArtworkPrior",
    "AutoTrainer",
    "CallLimits",
    "Category",
    "Cell",
    "CrossFitted",
    "DataError",
    "Epoch",
    "EpsilonGreedy",
    "Estimate",
    "Evaluation",
    "Explorer",
    "ExplorerError",
    "ExportError",
    "Exposures",
    "FeatureSchema",
    "Fixed",
    "GivenModel",
    "GradientTower",
    "Greedy",
    "Layer",
    "LinearTrainer",
    "Log",
    "ModelError",
    "NeuralLinearTrainer",
    "Number",
    "PolicyModel",
    "Promotion",
    "RandomTower",
    "SchemaError",
    "Softmax",
    "SquareCB",
    "Thompson",
    "Ucb",
    "Uniform",
    "Vector",
    "Weights",
    "Written",
    "WrittenLayer",
    "bundle_bytes",
    "catalogued",
    "clipped_ips",
    "direct_method",
    "doubly_robust",
    "effective_sample_size",
    "evaluate",
    "from_onnx",
    "from_torch",
    "holdbacks",
    "ips",
    "load_model",
    "load_prior",
    "logged_value",
    "onnx_model",
    "parse_explorer",
    "prior_of",
    "promote",
    "replay",
    "rows_of_title",
    "save_model",
    "self_normalised_doubly_robust",
    "snips",
    "write_bundle",
    "write_onnx",
]
