# SPDX-License-Identifier: Apache-2.0
"""The deny list (sync.md §7): a signed target that every device reads at every check."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from tuf.api.metadata import TargetFile, Targets

from ..errors import PublishError, SchemaError
from ..schema import check_text
from .files import DENY, Files
from .repository import State

MAX_DENIED = 65_536
MAX_BYTES = 2**20


def denied(files: Files, state: State) -> dict[str, list[str]]:
    """The deny list, title to artworks. Raises PublishError where its file is not as signed."""
    sha256 = state.targets.signed.targets[DENY].hashes["sha256"]
    data = files.deny(sha256).read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise PublishError(f"{files.deny(sha256)} is damaged: its hash is not the signed one")
    titles: dict[str, list[str]] = json.loads(data)["titles"]
    return titles


def write_denied(files: Files, targets: Targets, titles: Mapping[str, Sequence[str]]) -> None:
    """Writes a deny list and makes it the target. Raises PublishError beyond sync.md's limits."""
    try:
        for title, artworks in titles.items():
            for text in (title, *artworks):
                check_text(text, "id to deny", 1, 255)
    except SchemaError as error:
        raise PublishError(str(error)) from None
    kept = {title: list(artworks) for title, artworks in sorted(titles.items()) if artworks}
    if (count := sum(map(len, kept.values()))) > MAX_DENIED:
        raise PublishError(f"{count} artworks; at most {MAX_DENIED} can be denied")
    document = {"format": 1, "titles": kept}
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    if len(data) > MAX_BYTES:
        raise PublishError(f"the deny list would have {len(data)} bytes; {MAX_BYTES} are allowed")
    sha256 = hashlib.sha256(data).hexdigest()
    files.write_once(files.deny(sha256), data)
    targets.targets[DENY] = TargetFile(len(data), {"sha256": sha256}, DENY)
