# SPDX-License-Identifier: Apache-2.0
"""Builds `edgeart._native`, the compiled module, from the public header and `native/src`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from cffi import FFI

NATIVE = Path(__file__).resolve().parent
ROOT = NATIVE.parent
SOURCES = sorted(path.relative_to(ROOT).as_posix() for path in (NATIVE / "src").glob("*.c"))


def declarations() -> str:
    """The part of edgeart.h between its cffi markers, comments taken out of `#define` lines."""
    header = (NATIVE / "include" / "edgeart.h").read_text(encoding="utf-8")
    region = header.split("/* [cffi */", 1)[1].split("/* cffi] */", 1)[0]
    region = re.sub(r"^(#define \w+ \w+).*$", r"\1", region, flags=re.MULTILINE)
    return region.replace("EA_API ", "")


def flags() -> list[str]:
    if sys.platform == "win32":
        return ["/O2", "/fp:precise"]
    return [
        "-std=c11",
        "-O2",  # native/src/fast.h says what needs more
        "-g0",
        "-ffreestanding",
        "-ffp-contract=off",
        "-fno-fast-math",
        "-fvisibility=hidden",
        "-fno-tree-loop-distribute-patterns",
        "-fno-strict-aliasing",
        "-fno-asynchronous-unwind-tables",  # 12 KB for exceptions, which C does not throw
    ]


def link_flags() -> list[str]:
    if sys.platform in ("win32", "darwin"):
        return []
    return ["-s", "-Wl,-z,noseparate-code"]  # constants share pages with code: 4 KB less


# What follows it lies between Python and the library: a quarter of the module, and no loops.
SMALL = """
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("Os")
#endif
"""

# cffi puts errno away and back round every call, for libraries that set it. This one does not, and
# it takes a twentieth of Policy.select.
NO_ERRNO = """
#if defined(_cffi_save_errno) && defined(_cffi_restore_errno)
#undef _cffi_save_errno
#undef _cffi_restore_errno
#define _cffi_save_errno() ((void)0)
#define _cffi_restore_errno() ((void)0)
#endif
"""

# Python's way to many ids: written one after the other, so that they become Python's with one
# decoding and one split instead of a call each. Every `step`-th index from the first counts.
# Returns the bytes that text needs, each id with a null byte behind it; EA_NONE, which none counts,
# has the empty id. Where capacity is less, what is in text means nothing.
IDS_DECLARATION = """
size_t edgeart_ids(const ea_policy *policy, int of_titles, const uint32_t *indices, size_t step,
                   size_t count, char *text, size_t capacity, size_t *none);
void edgeart_propensities(const ea_decision *decisions, size_t count, double *propensities);
ea_text edgeart_artwork(const ea_policy *policy, uint32_t row);
"""
IDS = """
static size_t edgeart_ids(const ea_policy *policy, int of_titles, const uint32_t *indices,
                          size_t step, size_t count, char *text, size_t capacity,
                          size_t *none) {
    size_t size = 0;
    *none = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t index = indices[i * step];
        ea_text id = {0, 0};
        if (index == EA_NONE) ++*none;
        else if (of_titles) ea_title_info(policy, index, &id, 0, 0);
        else ea_artwork_id(policy, index, &id);
        if (size + id.length < capacity) {
            if (id.length) memcpy(text + size, id.data, id.length);
            text[size + id.length] = 0;
        }
        size += id.length + 1;
    }
    return size;
}

static void edgeart_propensities(const ea_decision *decisions, size_t count,
                                 double *propensities) {
    for (size_t i = 0; i < count; i++)
        propensities[i] = (double)decisions[i].n / decisions[i].total;
}

/* By value, as edgeart_select. length is 0 for no row of the policy's, EA_NONE among them. */
static ea_text edgeart_artwork(const ea_policy *policy, uint32_t row) {
    ea_text id = {0, 0};
    if (ea_artwork_id(policy, row, &id)) id.length = 0;
    return id;
}
"""

# Python's way to ea_select: by title id, the record by value. One call from Python with as few
# arguments as can be, and no separate allocation, which is a quarter of the time of Policy.select.
# LookupError where the title is unknown or ea_select fails, and the slow way then tells which: for
# Python to look at the record took an eighth. total is 0 then, for PyPy, where C cannot raise.
SELECT_DECLARATION = """
ea_decision edgeart_select(const ea_policy *policy, const ea_context *context, const void *id,
                           size_t length);
ea_decision edgeart_select_within(const ea_policy *policy, const ea_context *context,
                                  const void *id, size_t length, const ea_limits *limits);
"""
SELECT = """
#ifdef PYPY_VERSION
#define RAISE ((void)0)
#else
#define RAISE PyErr_SetNone(PyExc_LookupError)
static PyObject *unless_raised(char *result, struct _cffi_ctypedescr *type) {
    return PyErr_Occurred() ? NULL : _cffi_from_c_struct(result, type);
}
#undef _cffi_from_c_struct
#define _cffi_from_c_struct unless_raised
#endif

static ea_decision edgeart_select_within(const ea_policy *policy, const ea_context *context,
                                         const void *id, size_t length,
                                         const ea_limits *limits) {
    ea_decision decision;
    uint32_t title = ea_title_find(policy, id, length);
    if (title == EA_NONE || ea_select(policy, context, title, limits, &decision)) {
        decision = (ea_decision){EA_NONE, EA_NONE, 0, 0, 0, 0, 0};
        RAISE;
    }
    return decision;
}

static ea_decision edgeart_select(const ea_policy *policy, const ea_context *context,
                                  const void *id, size_t length) {
    return edgeart_select_within(policy, context, id, length, 0);
}
"""

# Python's way to repeat logged decisions, contexts one after the other: encodes each, under one
# unit and one set of limits, and decides its titles. map_ends, ends: where each context's bytes in
# maps and its titles end. A context that cannot be encoded, or has a title out of range, leaves its
# status, and its decisions as they were. EA_OK, or EA_E_ARGUMENT for ends that do not fit. Other
# threads go on meanwhile: it may take a second.
# numbers: unit, bytes of a context, count of contexts, bytes of maps, count of titles. memory: as
# read below. Arguments of their own, or a structure's fields, would make the module 4 KB larger.
REPEAT_DECLARATION = """
int32_t edgeart_repeat(const uint64_t *numbers, void *const *memory);
"""
REPEAT = """
static int32_t edgeart_repeat(const uint64_t *numbers, void *const *memory) {
    const ea_policy *policy = memory[0];
    ea_context *context = memory[1];
    const ea_limits *limits = memory[2];
    const uint64_t *seeds = memory[3], *map_ends = memory[4], *ends = memory[5];
    const char *maps = memory[6];
    const uint32_t *titles = memory[7];
    int32_t *statuses = memory[8];
    ea_decision *decisions = memory[9];
    size_t count = (size_t)numbers[2];
    uint64_t map = 0, title = 0;
    for (size_t i = 0; i < count; map = map_ends[i], title = ends[i], i++)
        if (map_ends[i] < map || map_ends[i] > numbers[3] || ends[i] < title ||
            ends[i] > numbers[4])
            return EA_E_ARGUMENT;
#ifndef PYPY_VERSION
    PyThreadState *thread = PyEval_SaveThread();
#endif
    map = title = 0;
    for (size_t i = 0; i < count; map = map_ends[i], title = ends[i], i++) {
        int32_t status = ea_context_encode(policy, context, (size_t)numbers[1], maps + map,
                                           (size_t)(map_ends[i] - map), seeds[i], numbers[0], 0);
        if (!status)
            status = ea_select_page(policy, context, titles + title, (size_t)(ends[i] - title),
                                    limits, decisions + title);
        statuses[i] = status;
    }
#ifndef PYPY_VERSION
    PyEval_RestoreThread(thread);
#endif
    return EA_OK;
}
"""

# cffi gives Python's global lock away round every call. To take it back costs up to 5 ms, the
# interpreter's switch interval, where another thread computes; calls of microseconds therefore keep
# it. These few may take milliseconds and let other threads go on, where the condition holds. From
# here on they bear the names of the library's own functions. They are for `lib.name(...)` alone:
# through `ffi.addressof` cffi gives the lock away by itself, as PyPy does for all calls, which
# compiles none of this.
RELEASED = {
    "ea_policy_open": "1",
    "ea_policy_verify": "1",
    "ea_context_hash": "1",
    "ea_scores": "1",
    "ea_crc32c": "size >= 65536",  # 10 µs
}
KEPT = """
#ifndef PYPY_VERSION
#undef Py_BEGIN_ALLOW_THREADS
#undef Py_END_ALLOW_THREADS
#define Py_BEGIN_ALLOW_THREADS {
#define Py_END_ALLOW_THREADS }
"""


def released(name: str, condition: str) -> str:
    """A function that calls the library's function of this name without the lock."""
    found = re.search(rf"^(\w+) {name}\(([^)]*)\);", declarations(), flags=re.MULTILINE)
    if found is None:
        raise ValueError(f"edgeart.h declares no function {name}; change RELEASED")
    kind, parameters = found.groups()
    arguments = ", ".join(re.findall(r"(\w+)(?:,|$)", parameters))
    return f"""
static {kind} released_{name}({parameters}) {{
    PyThreadState *thread = {condition} ? PyEval_SaveThread() : NULL;
    {kind} result = {name}({arguments});
    if (thread != NULL)
        PyEval_RestoreThread(thread);
    return result;
}}
#define {name} released_{name}
"""


ffibuilder = FFI()
ffibuilder.cdef(declarations() + IDS_DECLARATION + SELECT_DECLARATION + REPEAT_DECLARATION)
ffibuilder.set_source(
    "edgeart._native",
    '#include "edgeart.h"\n'
    + NO_ERRNO
    + IDS
    + SMALL
    + SELECT
    + REPEAT
    + KEPT
    + "".join(released(*entry) for entry in RELEASED.items())
    + "#endif\n",
    sources=SOURCES,
    include_dirs=[(NATIVE / "include").relative_to(ROOT).as_posix()],
    extra_compile_args=flags(),
    extra_link_args=link_flags(),
    py_limited_api=True,
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
