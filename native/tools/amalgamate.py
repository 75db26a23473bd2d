# SPDX-License-Identifier: Apache-2.0
"""Writes the whole library as one C file, for hosts that compile it with flags of their own.

    python3 native/tools/amalgamate.py build/edgeart.c

The file needs no flag and no other file; its interface is that of include/edgeart.h, which it
contains. Nothing is only pasted: a name that two source files each have for themselves is
prefixed with its file's, and a file's macros end with it.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

NATIVE = Path(__file__).resolve().parents[1]
FOLDERS = (NATIVE / "src", NATIVE / "include")

HEAD = """\
/* SPDX-License-Identifier: Apache-2.0 */
/* edgeart in one file, made by native/tools/amalgamate.py: change the sources, not this. */
"""

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)".*\n', re.MULTILINE)
DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
GUARD = re.compile(r"^#ifndef (\w+)\n#define \1\n", re.MULTILINE)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", re.MULTILINE)
ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)")
# comments and literals, in which a name is no name; then names, with what makes them members
TOKEN = re.compile(
    r"""(?P<text>/\*.*?\*/ | //[^\n]* | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*')
      | (?P<member>(?:\.|->)\s*)?(?P<name>\b[A-Za-z_]\w*\b)""",
    re.DOTALL | re.VERBOSE,
)


class Unit:
    """One source file: its text with templates in place, and the headers it is the first to need.

    A header has an include guard; what has none is a template, included as often as it is named.
    """

    def __init__(self, path: Path, seen: set[str]) -> None:
        self.path = path
        self.headers: list[str] = []
        self.text = self.inlined(path.read_text(encoding="utf-8"), seen)

    def inlined(self, text: str, seen: set[str]) -> str:
        """The text without its local includes."""

        def content(match: re.Match[str]) -> str:
            name = match[1]
            paths = [folder / name for folder in FOLDERS if (folder / name).is_file()]
            if not paths:
                raise SystemExit(f"amalgamate: no file {name} in src or include")
            included = paths[0].read_text(encoding="utf-8")
            if not GUARD.search(included):
                return self.inlined(included, seen)
            if name not in seen:
                seen.add(name)
                self.headers.append(self.inlined(included, seen))
            return ""

        return INCLUDE.sub(content, text)


def own_names(text: str) -> set[str]:
    """The names that a C file has for itself: its static functions and data, types, constants."""
    text = TOKEN.sub(lambda match: " " if match["text"] else match[0], text)
    text = ATTRIBUTE.sub("", DIRECTIVE.sub("", text))
    names = {
        constant
        for constants in re.findall(r"\benum\b[^;{}()]*\{([^{}]*)\}", text)
        for constant in re.findall(r"(?:^|,)\s*(\w+)", constants)
    }
    while "{" in text:  # what braces hold, from the inside out, becomes one @
        text = re.sub(r"\{[^{}]*\}", "@", text)
    names.update(re.findall(r"\b(?:struct|union|enum)\s+(\w+)\s*@", text))
    names.update(re.findall(r"\btypedef\b[^;]*?(\w+)\)?\s*(?:[(\[][^;()]*[)\]]\s*)?;", text))
    names.update(re.findall(r"(\w+)\s*\((?:[^()]|\([^()]*\))*\)\s*@", text))
    for declared in re.findall(r"\bstatic\b[^;=(\[@]*(?:@[^;=(\[@]*)?", text):
        names.update(re.findall(r"\w+", declared)[-1:])
    return {name for name in names if not name.startswith("ea_")}


def renamed(text: str, names: set[str], prefix: str) -> str:
    """The text with these names prefixed, wherever they are not members of something."""

    def new(match: re.Match[str]) -> str:
        if match["text"] or match["member"] or match["name"] not in names:
            return match[0]
        return f"{prefix}_{match['name']}"

    return TOKEN.sub(new, text)


def amalgamation() -> str:
    """The library as the text of one C file."""
    seen: set[str] = set()
    units = [Unit(path, seen) for path in sorted((NATIVE / "src").glob("*.c"))]
    owners = Counter(name for unit in units for name in own_names(unit.text))
    shared = {name for name, count in owners.items() if count > 1}
    parts = [HEAD]
    for unit in units:
        body = renamed(unit.text, own_names(unit.text) & shared, unit.path.stem)
        parts += ["\n", *unit.headers, f"\n/* ======== {unit.path.name} ======== */\n\n", body]
        parts += [f"#undef {macro}\n" for macro in dict.fromkeys(DEFINE.findall(unit.text))]
    return "".join(parts)


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: amalgamate.py file.c")
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(amalgamation(), encoding="utf-8")


if __name__ == "__main__":
    main()
