# SPDX-License-Identifier: Apache-2.0
"""What edgeart_export raises: one class a cause, each also the builtin that people expect."""

from __future__ import annotations


class ExportError(Exception):
    """Base of everything this package raises on purpose."""


class SchemaError(ExportError, ValueError):
    """A feature or a schema breaks a rule of bundle.md §6. Raised by `schema`."""


class ExplorerError(ExportError, ValueError):
    """An explorer's parameter is outside bundle.md §5. Raised by `model.explorers`."""


class ModelError(ExportError, ValueError):
    """A model cannot become a policy. Raised by `PolicyModel`, the writers and `load_model`."""


class DataError(ExportError, ValueError):
    """Logged data cannot be read or used; says where. Raised by `obd`, trainers and `evaluate`."""


class PublishError(ExportError, ValueError):
    """A repository, key or bundle cannot be used as asked. Raised by `edgeart_export.publish`."""


class AttributionError(ExportError, RuntimeError):
    """Attribution could not run: memory, a state that does not fit. Raised by `attribution`."""
