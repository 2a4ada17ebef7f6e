import { brotliDecompressSync, constants, inflateRawSync, inflateSync } from "node:zlib";

/**
 * Everything that a stretch of bytes says in the encodings that software uses, and in encodings of encodings: the bytes
 * themselves first. Case is the search's business, and so is reading backwards. `leastLetters` is the shortest base64 that
 * is read as such: eight bytes are eleven letters.
 */
export function* formsOf(bytes: Buffer, depth = 3, leastLetters = 11): Generator<Buffer> {
  yield bytes;
  if (depth === 0 || bytes.length < 8) return;
  for (const form of decoded(bytes, leastLetters)) yield* formsOf(form, depth - 1, leastLetters);
}

const everySecondZero = new RegExp(String.raw`(?:[^\0]\0){4,}[^\0]?|(?:\0[^\0]){4,}`, "g");
const gzipHead = new RegExp(String.raw`\x1f\x8b\x08`, "g");
const zlibHead = new RegExp(String.raw`\x78[\x01\x5e\x9c\xda]`, "g");

/** At most so much comes out of one compressed stretch. */
const mostInflated = 4 * 1024 * 1024;

function* decoded(bytes: Buffer, leastLetters: number): Generator<Buffer> {
  const text = bytes.toString("latin1");
  yield* utf16(text);
  for (const [run] of text.matchAll(/[0-9A-Fa-f]{16,}/g)) {
    yield Buffer.from(run.slice(0, run.length & ~1), "hex");
    yield Buffer.from(run.slice(1, 1 + ((run.length - 1) & ~1)), "hex");
  }
  for (const [run] of text.matchAll(new RegExp(`[A-Za-z0-9+/_-]{${leastLetters},}`, "g"))) {
    // Where in the four letters of a group the value begins is not known.
    for (let skip = 0; skip < 4; skip++) yield Buffer.from(run.slice(skip), "base64");
  }
  for (const part of around(text, /%[0-9A-Fa-f]{2}/g)) {
    yield latin1(part.replaceAll("+", " ").replace(/%([0-9A-Fa-f]{2})/g, byCode));
    yield latin1(part.replace(/%([0-9A-Fa-f]{2})/g, byCode));
  }
  for (const part of around(text, /=[0-9A-F]{2}/g)) {
    yield latin1(part.replace(/=\r?\n/g, "").replace(/=([0-9A-F]{2})/g, byCode));
  }
  for (const part of around(text, /\\[u"\\/x]/g)) {
    const unescaped = utf8(part)
      .replace(/\\u([0-9a-fA-F]{4})/g, byCode)
      .replace(/\\x([0-9a-fA-F]{2})/g, byCode)
      .replace(/\\(["\\/])/g, "$1");
    yield Buffer.from(unescaped, "utf8");
  }
  for (const part of around(text, /&(?:#\d+|#x[0-9a-f]+|amp|lt|gt|quot);/gi)) {
    const plain = utf8(part)
      .replace(/&#(\d{1,6});/g, (_all, code: string) => String.fromCodePoint(Number(code)))
      .replace(/&#x([0-9a-f]{1,5});/gi, byCode)
      .replace(/&(amp|lt|gt|quot);/g, (all, name: string) => entities[name] ?? all);
    yield Buffer.from(plain, "utf8");
  }
  // Lines of mail and of PEM cut a value in two.
  for (const part of around(text, /[A-Za-z0-9+/=]\r?\n[A-Za-z0-9+/=]/g)) yield latin1(part.replace(/\r?\n/g, ""));
  yield* inflated(bytes, text);
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };
const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");
const utf8 = (text: string): string => latin1(text).toString("utf8");
const byCode = (_all: string, hex: string): string => String.fromCodePoint(Number.parseInt(hex, 16));

/** As far as a value goes on either side of an escape. */
const reach = 300;

/** What stands around the places that match: escapes are undone there, and not in megabytes that have one by chance. */
function around(text: string, pattern: RegExp): string[] {
  const parts: string[] = [];
  let from = 0;
  let to = -1;
  for (const { index } of text.matchAll(pattern)) {
    if (index - reach > to) {
      if (to > from) parts.push(text.slice(from, to));
      from = Math.max(0, index - reach);
    }
    to = index + reach;
  }
  return to < 0 ? parts : [...parts, text.slice(from, to)];
}

/** Either order of bytes: every second one is zero, or the text's own high byte, which is zero for what people type most. */
function* utf16(text: string): Generator<Buffer> {
  if (!text.includes("\0")) return;
  for (const [run] of text.matchAll(everySecondZero)) yield latin1(run.replaceAll("\0", ""));
}

function attempt(open: () => Buffer): Buffer | undefined {
  try {
    const opened = open();
    return opened.length > 0 ? opened : undefined;
  } catch {
    return undefined;
  }
}

/** Compressed without a header there is nothing to look for: only a whole value can be tried. */
export function* openedWhole(value: Buffer): Generator<Buffer> {
  const limit = { maxOutputLength: mostInflated };
  for (const opened of [
    attempt(() => inflateRawSync(value, limit)),
    attempt(() => brotliDecompressSync(value, limit)),
  ]) {
    if (opened !== undefined) yield opened;
  }
}

function* inflated(bytes: Buffer, text: string): Generator<Buffer> {
  // A stretch that ends too early gives what it has.
  const limit = { maxOutputLength: mostInflated, finishFlush: constants.Z_SYNC_FLUSH } as const;
  const found: (Buffer | undefined)[] = [];
  for (const { index } of text.matchAll(gzipHead)) {
    // What follows the member makes gunzip refuse: the stream is opened without its frame (RFC 1952 section 2.3).
    const named = ((bytes[index + 3] ?? 0) & 8) !== 0;
    const start = named ? bytes.indexOf(0, index + 10) + 1 : index + 10;
    found.push(attempt(() => inflateRawSync(bytes.subarray(start), limit)));
  }
  for (const { index } of text.matchAll(zlibHead)) {
    found.push(attempt(() => inflateSync(bytes.subarray(index), limit)));
  }
  for (const opened of found) if (opened !== undefined) yield opened;
}
