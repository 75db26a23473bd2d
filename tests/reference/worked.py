# SPDX-License-Identifier: Apache-2.0
"""Writes section 11 of decision.md: one small policy, decided by hand with all that lies between.

python -m tests.reference.worked            write the section
python -m tests.reference.worked --check    exit 1 if decision.md has another one

Every number is computed here, step by step beside the oracle's functions, which must agree.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from .binary import round32, tiny
from .decide import Context
from .score import quantise, variance_of
from .tower import before_activation, tower
from .worked_choice import ROWS, cells, draws, hashed, others, thompson
from .worked_policy import MAP, POLICY, f32, listed, prepared, table
from .write import pack

SPEC = Path(__file__).resolve().parents[2] / "native" / "spec" / "decision.md"
HEADING = "## 11. Worked examples"


def render() -> str:
    """The whole section."""
    context = prepared()
    parts = [
        HEADING,
        _policy(),
        _tower(context),
        _scores(context),
        _variances(context),
        thompson(context),
        others(context),
        cells(context),
        draws(context),
        hashed(context),
    ]
    return "\n\n".join(parts) + "\n"


def _policy() -> str:
    relu, tanh = POLICY["tower"]
    variance = POLICY["variance"]
    return f"""One policy, computed through. Bits are hexadecimal, most significant digit first;
decimals are rounded. `python -m tests.reference.worked` writes this section, a test compares it;
`tests/reference/worked_policy.py` has the policy in full.

Policy `{POLICY["name"]}`: features `number hour` (centre 12, scale 6, clip 8) and
`category country` (one word, `US`). A layer `relu` of 3 outputs: `f32` rows {relu[3]},
bias {relu[4]}. A layer `tanh` of 2 outputs: `i8` rows {tanh[3]}, scales {tanh[4]},
bias {tanh[5]}; so k = 2. Title `title-7` has `couple`, `laugh`, `duel`: `i8` rows
{POLICY["weights"]},
scales round32 of {POLICY["scales"]}, bias {POLICY["bias"]}; codes of variances
{variance["codes"]}, variance_scale {variance["scale"]}.
Explorer `{json.dumps(POLICY["explorer"])}`;
cells `{json.dumps(POLICY["cells"])}`."""


def _tower(context: Context) -> str:
    relu, tanh = context.bundle.tower
    x = context.x
    assert x == [0.5, 1.0, 0.0, 1.0]
    lines = []
    first = tower([relu], x)
    for o in range(relu.outputs):
        a, partial = 0.0, []
        for i, element in enumerate(x):
            a = round32(a + round32(element * relu.weights[i][o]))
            partial.append(a)
        y = round32(a + relu.bias[o])
        assert y == before_activation(relu, x, o)
        lines.append(["relu", o, listed(f"{p:g}" for p in partial), "", f32(y), f32(first[o])])
    for o in range(tanh.outputs):
        a, partial = 0.0, []
        for i, element in enumerate(first):
            a = round32(a + round32(element * tanh.weights[i][o]))
            partial.append(a)
        scaled = round32(a * tanh.scales[o])
        y = round32(scaled + tanh.bias[o])
        assert y == before_activation(tanh, first, o)
        line = ["tanh", o, listed(f"{p:g}" for p in partial), f"{scaled:.9g}", f32(y)]
        lines.append([*line, f32(context.u[o])])
    head = ["layer", "output", "a after each input", "a·scale", "y", "output"]
    return f"""### 11.1 Context and tower

The map `{json.dumps(MAP)}` is `{pack(MAP).hex()}`;
x = {x} (hour, US, another country, intercept).

{table(head, lines)}

So u = ({f32(context.u[0])}, {f32(context.u[1])})."""


def _scores(context: Context) -> str:
    bundle, u = context.bundle, context.u
    largest = max(map(abs, u))
    q, sigma = quantise(u)
    assert sigma == round32(largest / 127)
    lines = []
    for row in ROWS:
        total = sum(int(a) * int(b) for a, b in zip(q, bundle.weights[row], strict=False))
        factor = round32(sigma * bundle.scales[row])
        product = round32(total * factor)
        score = round32(product + bundle.bias[row])
        assert score == context.scores[row]
        lines.append([row, total, f32(factor), f32(product), f32(score)])
    quotients = listed(f"{round32(each / sigma):.9g}" for each in u)
    return f"""### 11.2 Scores

m = {f32(largest)}, σ = m / 127 = {f32(sigma)},
u / σ = {quotients}, q = {q}.

{table(["row", "A", "σ·scale", "A·(σ·scale)", "score"], lines)}"""


def _variances(context: Context) -> str:
    bundle, u = context.bundle, context.u
    assert context.variances is not None
    s = [tiny(round32(each * each)) for each in u]
    lines = []
    for row in ROWS:
        codes = [int(code) for code in bundle.variance_codes[row][:2]]
        v = [variance_of(code) for code in codes]
        products = [round32(a * b) for a, b in zip(s, v, strict=True)]
        # Lanes 0 and 1 of eight: the tree adds zeros to each before it adds the two.
        total = round32(products[0] + products[1])
        variance = tiny(round32(total * bundle.variance_scale))
        assert variance == context.variances[row]
        formula = listed(f"{1 + code % 8 / 8:g} / {2 ** (31 - code // 8)}" for code in codes)
        lines.append([row, codes, formula, *map(f32, products), f32(total), f32(variance)])
    head = ["row", "codes", "v", "s₀·v₀", "s₁·v₁", "tree", "variance"]
    return f"""### 11.3 Variances

s = ({f32(s[0])}, {f32(s[1])}).

{table(head, lines)}"""


def main(arguments: list[str] | None = None) -> int:
    """Writes or checks the section; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.reference.worked")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args(arguments)
    text = SPEC.read_text(encoding="utf-8")
    before = text.split(HEADING)[0].rstrip() + "\n\n"
    if options.check:
        return 0 if text == before + render() else 1
    SPEC.write_text(before + render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
