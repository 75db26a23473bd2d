# SPDX-License-Identifier: Apache-2.0
"""Adds up the stack that each public function can need, over everything it can call.

    python3 native/tools/stack.py [--bound 32768] edgeart.ci...

edgeart.ci is what gcc's -fcallgraph-info=su writes of the amalgamation. Every chain of calls is
followed; a call through a member `->best(` may reach any function with `best` in its name that is
neither public nor called by its name. Recursion, and frames whose size has no bound, fail, as does
a chain above the bound.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import NamedTuple

NODE = re.compile(r'^node: \{ title: "([^"]+)" label: "([^"]*)"', re.MULTILINE)
EDGE = re.compile(
    r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)" label: "([^"]+):(\d+):\d+"',
    re.MULTILINE,
)
MEMBER = re.compile(r"->(\w+)\(")
SIZE = re.compile(r"(\d+) bytes \(([a-z,]+)\)")


class Chain(NamedTuple):
    """The deepest calls from a function, it included, and the stack they need together."""

    size: int
    names: tuple[str, ...]


class Graph:
    """The functions of one compilation."""

    def __init__(self, text: str) -> None:
        self.frames = {}
        self.calls: dict[str, set[str]] = {}
        for title, label in NODE.findall(text):
            if found := SIZE.search(label):
                if found[2] not in {"static", "dynamic,bounded"}:  # the latter: to align it
                    raise SystemExit(f"stack: {title} has a frame that is {found[2]}")
                self.frames[title] = int(found[1])
        edges = EDGE.findall(text)
        pointed = self.frames.keys() - {edge[1] for edge in edges} - set(self.public())
        for source, target, path, line in edges:
            targets = {target}
            if target == "__indirect_call":
                code = Path(path).read_text(encoding="utf-8").splitlines()[int(line) - 1]
                members = MEMBER.findall(code)
                targets = {name for name in pointed if any(member in name for member in members)}
            if not targets or not targets <= self.frames.keys():
                raise SystemExit(f"stack: {source} calls {target}, of which nothing is known")
            self.calls.setdefault(source, set()).update(targets)
        self.found: dict[str, Chain] = {}

    def deepest(self, title: str, callers: tuple[str, ...] = ()) -> Chain:
        """The chain from here that needs most."""
        if title in callers:
            raise SystemExit(f"stack: {title} calls itself")
        if title not in self.found:
            below = [self.deepest(t, (*callers, title)) for t in self.calls.get(title, ())]
            most = max(below, default=Chain(0, ()))
            name = title.rsplit(":", 1)[-1]
            self.found[title] = Chain(self.frames[title] + most.size, (name, *most.names))
        return self.found[title]

    def public(self) -> list[str]:
        """Titles of the functions that the header declares."""
        return [t for t in self.frames if re.fullmatch(r"ea_[a-z0-9]\w*", t.rsplit(":", 1)[-1])]


def main() -> None:
    parser = argparse.ArgumentParser(description="Adds up stack over chains of calls.")
    parser.add_argument("graphs", type=Path, nargs="+")
    parser.add_argument("--bound", type=int, default=32768, help="bytes that are promised")
    options = parser.parse_args()
    failed = False
    for path in options.graphs:
        graph = Graph(path.read_text(encoding="utf-8"))
        chains = [graph.deepest(title) for title in graph.public()]
        if not chains:
            raise SystemExit(f"stack: no public function in {path}")
        worst = max(chains)
        print(f"{path.stem}: at most {worst.size} bytes: {' > '.join(worst.names)}")
        failed |= worst.size > options.bound
    if failed:
        raise SystemExit(f"FAILED: more than {options.bound} bytes of stack")


if __name__ == "__main__":
    main()
