import { createReadStream } from "node:fs";
import { open, opendir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { createGunzip } from "node:zlib";
import { wordsPerDigest } from "./fuse.ts";

/** What was wrong with a list that somebody gave us: which file, which line, which rule; never what stood there. */
export class ListRefused extends Error {
  readonly hint: string | undefined;

  constructor(what: string, hint?: string) {
    super(what);
    this.hint = hint;
  }
}

/** One file, and the five digits that its lines leave out because its name says them. */
interface HashFile {
  readonly path: string;
  readonly prefix: string;
}

const rangeName = /^([0-9A-Fa-f]{5})(?:\.txt)?(?:\.gz)?$/;
const longestLine = 1_024;
const newline = 10;

/** What a hexadecimal digit is worth; -1 for any other byte. */
const digitOf = Int8Array.from({ length: 256 }, (_, byte) => {
  const text = String.fromCharCode(byte);
  return /[0-9A-Fa-f]/.test(text) ? Number.parseInt(text, 16) : -1;
});

/**
 * A sequence of SHA-1 digests in rising order, read from one or more files one after the other. `words` is the current
 * one. Memory: a stretch of the file.
 *
 * Understood is what the downloaders of Pwned Passwords write: lines `HASH:COUNT` in one file, or one file for each
 * range of five digits, named by them, with the other 35 on each line; either gzipped or not, with either line end.
 * A line with the count 0 is padding and stands for nothing.
 */
export class HashRun {
  readonly words = new Uint32Array(wordsPerDigest);
  readonly #files: readonly HashFile[];
  readonly #previous = new Uint32Array(wordsPerDigest);
  readonly #digits = new Uint8Array(wordsPerDigest * 8);
  #isFirst = true;
  #nextFile = 0;
  #chunks: AsyncIterator<Buffer> | undefined;
  #path = "";
  #prefixLength = 0;
  #line = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(files: readonly HashFile[]) {
    this.#files = files;
  }

  /** Goes to the next digest of what has been read already. @returns false when there is none: then `refill`. */
  advance(): boolean {
    for (;;) {
      const end = this.#bytes.indexOf(newline, this.#at);
      if (end < 0) return false;
      const start = this.#at;
      this.#at = end + 1;
      this.#line++;
      if (this.#read(start, end)) return true;
    }
  }

  /** Reads on. @returns false at the end of the last file. */
  async refill(): Promise<boolean> {
    const rest = this.#bytes.subarray(this.#at);
    if (rest.length > longestLine) this.#refuse("has a line that is too long", this.#line + 1);
    if (this.#chunks === undefined) {
      const file = this.#files[this.#nextFile++];
      if (file === undefined) return false;
      this.#chunks = chunksOf(file.path)[Symbol.asyncIterator]();
      this.#path = file.path;
      this.#prefixLength = file.prefix.length;
      for (let i = 0; i < file.prefix.length; i++) this.#digits[i] = digitOf[file.prefix.charCodeAt(i)] ?? 0;
      this.#line = 0;
    }
    const chunk = await this.#chunks.next().catch((thrown: unknown) => {
      throw new ListRefused(`${this.#path} cannot be read to its end`, reasonOf(thrown));
    });
    if (chunk.done === true) {
      this.#chunks = undefined;
      // A last line without its end is whole.
      this.#bytes = rest.length === 0 ? rest : Buffer.concat([rest, Buffer.of(newline)]);
    } else {
      this.#bytes = rest.length === 0 ? chunk.value : Buffer.concat([rest, chunk.value]);
    }
    this.#at = 0;
    return true;
  }

  /** Ends reading early. */
  async close(): Promise<void> {
    await this.#chunks?.return?.();
  }

  /** Takes the line that fills bytes `start` to `end`. @returns whether it is a new digest. */
  #read(start: number, end: number): boolean {
    const bytes = this.#bytes;
    let at = start;
    let last = end;
    while (last > at && (bytes[last - 1] ?? 0) <= 32) last--;
    if (this.#line === 1 && bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf) at += 3;
    if (at === last) return false;
    const digits = this.#digits;
    let length = this.#prefixLength;
    for (; at < last && length < digits.length; at++) {
      const digit = digitOf[bytes[at] ?? 0] ?? -1;
      if (digit < 0) break;
      digits[length++] = digit;
    }
    if (length < digits.length) {
      const isNtlm = length === 32;
      this.#refuse(
        isNtlm ? "holds NTLM hashes" : "is not 40 hexadecimal digits, a colon and a count",
        this.#line,
        isNtlm ? "download the SHA-1 list" : undefined,
      );
    }
    if (at < last && !this.#isCounted(at, last)) return false;
    return this.#isNew();
  }

  /** Whether the count after a hash is more than 0. */
  #isCounted(from: number, last: number): boolean {
    const bytes = this.#bytes;
    let isZero = true;
    if (bytes[from] !== 58 || from + 1 === last) this.#refuse("is not a hash, a colon and a count", this.#line);
    for (let at = from + 1; at < last; at++) {
      const byte = bytes[at] ?? 0;
      if (byte < 48 || byte > 57) this.#refuse("is not a hash, a colon and a count", this.#line);
      if (byte !== 48) isZero = false;
    }
    return !isZero;
  }

  #isNew(): boolean {
    const { words } = this;
    const digits = this.#digits;
    const previous = this.#previous;
    previous.set(words);
    for (let word = 0; word < wordsPerDigest; word++) {
      let value = 0;
      for (let i = word * 8; i < word * 8 + 8; i++) value = value * 16 + (digits[i] ?? 0);
      words[word] = value;
    }
    if (this.#isFirst) {
      this.#isFirst = false;
      return true;
    }
    const order = compareWords(words, previous);
    if (order < 0) {
      this.#refuse(
        "comes before the line above it: the list is not ordered by hash",
        this.#line,
        "take the list that is ordered by hash, or sort it: LC_ALL=C sort FILE",
      );
    }
    return order > 0;
  }

  #refuse(what: string, line: number, hint?: string): never {
    throw new ListRefused(`${this.#path}, line ${line.toLocaleString("en")}: ${what}`, hint);
  }
}

export function compareWords(a: Uint32Array, b: Uint32Array): number {
  for (let i = 0; i < wordsPerDigest; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** A file's bytes, unpacked if they begin like a gzip file (RFC 1952 section 2.3.1). */
async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  const file = await open(path);
  let isGzip: boolean;
  try {
    const head = Buffer.alloc(2);
    await file.read(head, 0, 2, 0);
    isGzip = head[0] === 0x1f && head[1] === 0x8b;
  } finally {
    await file.close();
  }
  const stream = createReadStream(path, { highWaterMark: 1 << 20 });
  if (!isGzip) {
    yield* stream;
    return;
  }
  const unpacked = createGunzip({ chunkSize: 1 << 20 });
  stream.once("error", (error) => unpacked.destroy(error)).pipe(unpacked);
  try {
    yield* unpacked;
  } finally {
    stream.destroy();
  }
}

const reasonOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error && "code" in thrown ? String(thrown.code) : undefined;

/** The sequences that some paths stand for, and how many ranges of the 1,048,576 there are files for. */
export interface Lists {
  readonly runs: readonly HashRun[];
  readonly ranges: number;
}

/** As many sequences are merged; each keeps a file open. */
const mostRuns = 64;

/**
 * Finds the lists in files and folders. All range files together are one sequence; every other file is one of its own.
 *
 * @throws ListRefused for what is not there or not a list.
 */
export async function findLists(paths: readonly string[]): Promise<Lists> {
  const ranges = new Map<string, HashFile>();
  const addRange = (path: string, digits: string): void => {
    const prefix = digits.toUpperCase();
    if (ranges.has(prefix)) throw new ListRefused(`the range ${prefix} is given twice`);
    ranges.set(prefix, { path, prefix });
  };
  const runs: HashRun[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) throw new ListRefused(`${path} cannot be read`, "is it there, and yours to read?");
    const range = rangeName.exec(basename(path))?.[1];
    if (found.isDirectory()) {
      const before = ranges.size;
      for await (const { name } of await opendir(path)) {
        const inFolder = rangeName.exec(name)?.[1];
        if (inFolder !== undefined) addRange(join(path, name), inFolder);
      }
      if (ranges.size === before)
        throw new ListRefused(`${path} holds no range files`, "they are named like 0A1B2.txt");
    } else if (range !== undefined) {
      addRange(path, range);
    } else {
      runs.push(new HashRun([{ path, prefix: "" }]));
    }
  }
  if (ranges.size > 0) {
    const inOrder = [...ranges.keys()].toSorted().flatMap((prefix) => ranges.get(prefix) ?? []);
    runs.push(new HashRun(inOrder));
  }
  if (runs.length > mostRuns) throw new ListRefused(`at most ${mostRuns} lists can be merged`);
  return { runs, ranges: ranges.size };
}

/**
 * Every digest of the sequences in rising order, each once. `take` is called with its five words, which are only good
 * during the call, and may answer with something to wait for.
 */
export async function merge(
  runs: readonly HashRun[],
  take: (words: Uint32Array) => Promise<void> | undefined,
): Promise<void> {
  const step = async (run: HashRun): Promise<boolean> => {
    while (!run.advance()) if (!(await run.refill())) return false;
    return true;
  };
  const last = new Uint32Array(wordsPerDigest);
  let isFirst = true;
  const open: HashRun[] = [];
  try {
    for (const run of runs) if (await step(run)) open.push(run);
    while (open.length > 0) {
      let least = 0;
      for (let i = 1; i < open.length; i++) {
        if (compareWords(open[i]!.words, open[least]!.words) < 0) least = i;
      }
      const run = open[least]!;
      if (isFirst || compareWords(run.words, last) !== 0) {
        isFirst = false;
        last.set(run.words);
        const waiting = take(run.words);
        if (waiting !== undefined) await waiting;
      }
      // Without a wait for each line: hundreds of millions come this way.
      if (!run.advance() && !(await step(run))) open.splice(least, 1);
    }
  } finally {
    await Promise.all(runs.map((run) => run.close()));
  }
}
