// SPDX-License-Identifier: Apache-2.0
// The known answers of native/vectors and the bundles of tools/worlds.c, by the library in
// WebAssembly: the same bits as everywhere. Needs node and nothing else.
//
//     node tests/wasm.mjs edgeart.wasm vectors worlds

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [wasmPath, vectorsPath, worldsPath] = process.argv.slice(2);
if (!worldsPath) {
  console.error("usage: node wasm.mjs edgeart.wasm vectors worlds");
  process.exit(2);
}

// ---- the library ----

const { instance } = await WebAssembly.instantiate(readFileSync(wasmPath), {});
const ea = instance.exports;
const PAGE = 65536;
const MOST = 256; // candidates

/* Memory is handed out upwards and given back all at once, to a mark. */
let top = ea.__heap_base.value;

function block(size, alignment = 64) {
  const start = Math.ceil(top / alignment) * alignment;
  top = start + size;
  const missing = top - ea.memory.buffer.byteLength;
  if (missing > 0) ea.memory.grow(Math.ceil(missing / PAGE));
  return start;
}

function scoped(work) {
  const mark = top;
  try {
    return work();
  } finally {
    top = mark;
  }
}

const view = () => new DataView(ea.memory.buffer);
const u32 = (at) => view().getUint32(at, true);
const u64 = (at) => view().getBigUint64(at, true);
const unsigned64 = (value) => BigInt.asUintN(64, value);

/* Bytes in a block of their own; for no bytes an address all the same. */
function put(bytes, alignment) {
  const at = block(bytes.length, alignment);
  new Uint8Array(ea.memory.buffer).set(bytes, at);
  return at;
}

/* A structure that begins with its size. */
function sized(size) {
  const at = put(new Uint8Array(size), 16);
  view().setUint32(at, size, true);
  return at;
}

function textAt(at) {
  const bytes = new Uint8Array(ea.memory.buffer);
  let end = at;
  while (bytes[end]) end++;
  return Buffer.from(bytes.slice(at, end)).toString();
}

const nameOf = (status) => textAt(ea.ea_status_name(status));

// ---- checks ----

let checks = 0;
let failures = 0;
let place = "";

function same(found, wanted, what) {
  checks++;
  if (found === wanted || failures++ >= 20) return;
  console.log(`    ${place}: ${what} is ${found}, not ${wanted}`);
}

function promise(text, work) {
  const [before, failed] = [checks, failures];
  work();
  if (failures > failed || checks === before) {
    failures = Math.max(failures, failed + 1); // one that checked nothing has failed
    console.log(`  FAILED  wasm: ${text}`);
  }
}

// ---- the files ----

const readJson = (name) => JSON.parse(readFileSync(join(vectorsPath, `${name}.json`), "utf8"));
const hex = (bits) => BigInt(`0x${bits}`);
const hex32 = (bits) => Number.parseInt(bits, 16);
const base64 = (text) => new Uint8Array(Buffer.from(text, "base64"));

/* Bytes as hex, or as pieces [hex, times]. */
function bytesOf(value) {
  if (typeof value === "string") return new Uint8Array(Buffer.from(value, "hex"));
  const pieces = value.flatMap(([piece, times]) => Array(times).fill(Buffer.from(piece, "hex")));
  return new Uint8Array(Buffer.concat(pieces));
}

function doubleOf(bits) {
  const scratch = new DataView(new ArrayBuffer(8));
  scratch.setBigUint64(0, hex(bits));
  return scratch.getFloat64(0);
}

/* One hash over all scores and integers n, as in test_vectors.c. */
let digest = 0n;
const addToDigest = (at, size) => (digest = unsigned64(ea.ea_hash(digest, 0n, at, size)));
const shown = (hash) => hash.toString(16).padStart(16, "0");

// ---- policies ----

// offsets of 32-bit memory; tests/abi.txt holds those of 64 bits
const INFO = {
  size: 112, slots: 28, k: 32, titles: 36, artworks: 40, vectors: 52, variance: 84, cells: 88,
};

function open(bytes) {
  const policy = block(ea.ea_policy_size(), 16);
  const offset = block(8, 8);
  const status = ea.ea_policy_open(policy, ea.ea_policy_size(), put(bytes), bytes.length, offset);
  return { policy, status, offset: Number(u64(offset)) };
}

function opened(bytes) {
  const { policy, status, offset } = open(bytes);
  if (status) throw new Error(`${place}: ${nameOf(status)} at ${offset}`);
  const info = sized(INFO.size);
  same(ea.ea_policy_info(policy, info), 0, "status of ea_policy_info");
  const size = ea.ea_context_size(policy);
  return { policy, context: block(size, 16), size, info: (field) => u32(info + INFO[field]) };
}

function encode(p, map, seed, unit, report) {
  const at = put(map);
  return ea.ea_context_encode(p.policy, p.context, p.size, at, map.length, seed, unit, report);
}

function checkSlots(p, wanted) {
  const slots = block(4 * p.info("slots"));
  same(wanted.length, p.info("slots"), "slots");
  same(ea.ea_context_vector(p.policy, p.context, slots, wanted.length, 0, 0), 0, "slots' status");
  wanted.forEach((bits, i) => same(u32(slots + 4 * i), hex32(bits), `slot ${i}`));
}

// ---- the promises ----

promise("hashes are the reference's", () => {
  const file = readJson("hash");
  const bytes = put(new Uint8Array(4096).map((_, i) => i % 251));
  for (const c of file.hashes)
    same(unsigned64(ea.ea_hash(hex(c.k0), hex(c.k1), bytes, c.length)), hex(c.hash), "hash");
});

promise("checksums are the reference's", () => {
  for (const c of readJson("crc32c").checksums)
    scoped(() => {
      const bytes = bytesOf(c.bytes);
      same(ea.ea_crc32c(0, put(bytes), bytes.length) >>> 0, hex32(c.crc32c), "crc");
    });
});

promise("slots, counts and refusals of contexts are the reference's", () =>
  scoped(() => {
    const file = readJson("context");
    const p = opened(base64(file.bundle));
    for (const c of file.cases)
      scoped(() => {
        place = `context: ${c.name}`;
        const report = sized(32);
        const status = encode(p, bytesOf(c.map), 0n, 0n, report);
        same(nameOf(status), c.status ?? "EA_OK", "status");
        if (c.status) same(Number(u64(report + 24)), c.offset, "offset");
        if (c.status || status) return;
        checkSlots(p, c.slots);
        c.report.forEach((count, i) => same(u32(report + 4 + 4 * i), count, `count ${i}`));
      });
  }),
);

promise("bundles are refused as by the reference", () => {
  const file = readJson("hostile");
  const bases = file.bases.map(base64);
  for (const c of file.cases)
    scoped(() => {
      place = `hostile: ${c.name}`;
      const base = c.crc ? bases[c.base].slice(0, -4) : bases[c.base];
      const tail = base.slice(base.length - c.end);
      const data = [...base.slice(0, c.start), ...bytesOf(c.insert), ...tail];
      if (c.crc) {
        const bytes = new Uint8Array(data);
        const crc = ea.ea_crc32c(0, put(bytes), bytes.length - 1);
        for (let shift = 24; shift >= 0; shift -= 8) data.push((crc >>> shift) & 255);
      }
      const { status, offset } = open(new Uint8Array(data));
      same(nameOf(status), c.status, "status");
      same(offset, c.offset, "offset");
    });
});

/* [title asked for, title, row, n, total, bits of the score, reason], in format 2 and the cell. */
function checkDecision([asked, title, row, n, total, score, reason, cell], decision) {
  const fields = [title, row, n, total, hex32(score)];
  fields.forEach((field, i) => same(u32(decision + 4 * i), field, `${asked}: field ${i}`));
  same(view().getUint16(decision + 20, true), reason, `${asked}: reason`);
  if (cell !== undefined) same(view().getUint16(decision + 22, true), cell, `${asked}: cell`);
}

function find(p, asked) {
  const id = new Uint8Array(Buffer.from(asked));
  return ea.ea_title_find(p.policy, put(id), id.length);
}

function limitsOf(page) {
  const limits = sized(32);
  const bitmaps = [bytesOf(page.denied), bytesOf(page.excluded ?? "")];
  bitmaps.forEach((bits, i) => {
    const at = put(bits);
    view().setUint32(limits + 8 + 8 * i, at, true);
    view().setUint32(limits + 12 + 8 * i, bits.length, true);
  });
  view().setUint32(limits + 24, page.required ?? 0, true);
  view().setUint32(limits + 28, page.forbidden ?? 0, true);
  const any = page.required || page.forbidden || bitmaps.some((bits) => bits.length);
  return any ? limits : 0;
}

function checkPage(p, page) {
  const limits = limitsOf(page);
  const count = page.decisions.length;
  const titles = block(4 * count);
  const decisions = block(24 * count);
  page.decisions.forEach(([asked], i) => view().setUint32(titles + 4 * i, find(p, asked), true));
  const { policy, context } = p;
  same(ea.ea_select_page(policy, context, titles, count, limits, decisions), 0, "status");
  page.decisions.forEach((wanted, i) => checkDecision(wanted, decisions + 24 * i));
  for (const wanted of page.fallbacks ?? []) {
    same(ea.ea_fallback(policy, find(p, wanted[0]), limits, decisions), 0, "fallback's status");
    checkDecision(wanted, decisions);
  }
}

/* The integers of all rows, under the explorer of the context's cell. */
function checkIntegers(p, wanted) {
  const candidates = block(16 * MOST);
  const count = block(4, 4);
  let row = 0;
  for (let title = 0; title < p.info("titles"); title++) {
    const status = ea.ea_propensities(p.policy, p.context, title, 0, candidates, MOST, count, 0);
    same(status, 0, "propensities' status");
    for (let i = 0; i < u32(count); i++, row++) {
      same(u32(candidates + 16 * i + 4), wanted[row], `n of row ${row}`);
      addToDigest(candidates + 16 * i + 4, 4);
    }
  }
  same(row, wanted.length, "rows");
}

function checkFloats(wanted, found, what) {
  wanted.forEach((bits, i) => same(u32(found + 4 * i), hex32(bits), `${what} ${i}`));
}

/* What format 2 has: the unit's cell, u, variances, host's titles. */
function checkMore(p, c) {
  const { policy, context } = p;
  const [rows, k] = [p.info("artworks"), p.info("k")];
  const [u, variances, decision] = [block(4 * k), block(4 * rows), block(24, 8)];
  same(ea.ea_policy_cell_of(policy, hex(c.unit)), c.cell, "cell");
  same(ea.ea_context_u(policy, context, u, k), 0, "u's status");
  same(c.u.length, k, "length of u");
  checkFloats(c.u, u, "u");
  same(ea.ea_variances(policy, context, variances, rows), 0, "variances' status");
  same(c.variances.length, p.info("variance") ? rows : 0, "variances");
  checkFloats(c.variances, variances, "variance");
  addToDigest(variances, 4 * rows);
  for (const host of c.hosts) {
    const id = new Uint8Array(Buffer.from(host[0]));
    const count = host[host.length - 1];
    const status = ea.ea_select_host(policy, context, put(id), id.length, count, decision);
    same(status, 0, "host's status");
    checkDecision(host, decision);
  }
  same(c.n.length, p.info("cells") + 1, "cells");
}

function checkContext(p, c) {
  const second = c.unit !== undefined;
  same(encode(p, bytesOf(c.map), hex(c.seed), second ? hex(c.unit) : 0n, 0), 0, "status");
  checkSlots(p, c.slots);
  const rows = p.info("artworks");
  const scores = block(4 * rows);
  same(c.scores.length, rows, "scores");
  same(ea.ea_scores(p.policy, p.context, scores, rows), 0, "scores' status");
  checkFloats(c.scores, scores, "score");
  addToDigest(scores, 4 * rows);
  if (second) checkMore(p, c);
  checkIntegers(p, second ? c.n[c.cell] : c.n);
  const hash = block(8, 8);
  same(ea.ea_context_hash(p.policy, p.context, hash), 0, "hash's status");
  same(u64(hash), hex(c.hash), "hash");
  for (const page of c.pages) scoped(() => checkPage(p, page));
}

const EXPLORERS = [
  "fixed", "uniform", "greedy", "epsilon_greedy", "softmax", "squarecb", "thompson", "ucb",
];

function checkExplorer(c, scores, variances) {
  const count = scores.length;
  const explorer = sized(24);
  const [s, v, n] = [block(4 * count), block(4 * count), block(4 * count)];
  view().setUint32(explorer + 4, 10 * EXPLORERS.indexOf(c.kind), true);
  view().setFloat64(explorer + 8, doubleOf(c.floor), true);
  view().setFloat64(explorer + 16, doubleOf(c.parameter), true);
  scores.forEach((bits, i) => view().setUint32(s + 4 * i, hex32(bits), true));
  variances?.forEach((bits, i) => view().setUint32(v + 4 * i, hex32(bits), true));
  same(ea.ea_explore(explorer, s, variances ? v : 0, count, n), 0, "status");
  c.n.forEach((units, i) => same(u32(n + 4 * i), units, `n ${i}`));
  addToDigest(n, 4 * count);
}

promise("the explorers' integers are the reference's", () => {
  const file = readJson("explore");
  const lists = new Map(file.scores.map(({ name, bits }) => [name, bits]));
  const pairs = new Map(file.pairs.map((pair) => [pair.name, pair]));
  for (const c of file.cases)
    scoped(() => {
      place = `explore: ${c.kind} of ${c.scores}`;
      checkExplorer(c, lists.get(c.scores), undefined);
    });
  for (const c of file.uncertain)
    scoped(() => {
      place = `explore: ${c.kind} of ${c.pair}`;
      const { scores, variances } = pairs.get(c.pair);
      checkExplorer(c, scores, variances);
    });
});

promise("scores, integers, hashes and decisions are the reference's", () => {
  const files = ["policy", "policy2"].flatMap((name) => readJson(name).policies);
  files.forEach((p, index) =>
    scoped(() => {
      place = `policy ${index}`;
      const policy = opened(base64(p.bundle));
      same(ea.ea_policy_verify(policy.policy, policy.context, policy.size, 0), 0, "verification");
      for (const [unit, cell] of p.cells ?? [])
        same(ea.ea_policy_cell_of(policy.policy, hex(unit)), cell, "cell");
      for (const c of p.contexts) scoped(() => checkContext(policy, c));
    }),
  );
});

const vectorsDigest = digest;
let contexts = 0;
digest = 0n;
const worlds = readdirSync(worldsPath).filter((name) => name.endsWith(".edgeart")).sort();

promise("bundles of another machine verify", () => {
  for (const name of worlds)
    scoped(() => {
      place = name;
      const p = opened(new Uint8Array(readFileSync(join(worldsPath, name))));
      same(ea.ea_policy_verify(p.policy, p.context, p.size, 0), 0, "verification");
      const text = block(8, 8);
      const hash = block(8, 8);
      for (let i = 0; i < p.info("vectors"); i++, contexts++) {
        same(ea.ea_policy_vector(p.policy, i, text, hash), 0, "vector's status");
        const [map, length] = [u32(text), u32(text + 4)];
        const status = ea.ea_context_encode(p.policy, p.context, p.size, map, length, 0n, 0n, 0);
        same(status, 0, "status");
        same(ea.ea_context_hash(p.policy, p.context, hash), 0, "hash's status");
        addToDigest(hash, 8);
      }
    });
});

console.log(`wasm: 7 promises, ${checks} checks, ${failures} failed`);
console.log(`vectors: scores and n: ${shown(vectorsDigest)}`);
const size = `${worlds.length} bundles, ${contexts} contexts`;
console.log(`worlds: ${size}, scores and n: ${shown(digest)}`);
process.exit(failures ? 1 : 0);
