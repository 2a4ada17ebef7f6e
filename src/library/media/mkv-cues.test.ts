import { expect, test } from "vitest";
import { readsOf } from "../../../test/disk-in-memory.ts";
import { element, unsigned } from "../../../test/matroska.ts";
import { maxCuesBytes, readMkvHeads } from "./mkv-cues.ts";

const read = (bytes: Buffer, sizeBytes = bytes.length) => readMkvHeads(readsOf(bytes), 0, sizeBytes);
const ebml = element("1a45dfa3", element("4282", Buffer.from("matroska")));
const film = (...parts: readonly Buffer[]): Buffer => Buffer.concat([ebml, element("18538067", ...parts)]);
const info = element("1549a966", element("2ad7b1", unsigned(500_000)));
const track = (number: number, ...more: readonly Buffer[]): Buffer =>
  element("ae", element("d7", unsigned(number)), ...more);
const cue = (ticks: number, at: number): Buffer =>
  element("bb", element("b3", unsigned(ticks)), element("b7", element("f7", unsigned(1)), element("f1", unsigned(at))));
const cluster = element("1f43b675", element("e7", unsigned(0)));
const heads = (bytes: Buffer) => {
  const found = read(bytes);
  return found.kind === "read" ? found.heads : expect.fail(found.kind);
};

test("the heads say the scale, the tracks, and the key frames in the order of time", () => {
  const tracks = element("1654ae6b", track(1), track(2, element("56aa", unsigned(6_500_000))));
  expect(heads(film(info, tracks, element("1c53bb6b", cue(7_000, 90), cue(0, 10)), cluster))).toEqual({
    timestampScale: 500_000,
    tracks: [
      { number: 1, codecDelayNs: 0, packed: false },
      { number: 2, codecDelayNs: 6_500_000, packed: false },
    ],
    cues: [
      { track: 1, ticks: 0, clusterOffset: 10 },
      { track: 1, ticks: 7_000, clusterOffset: 90 },
    ],
  });
});

test("Cues behind the clusters are found by what points at them, and only there", () => {
  const seek = (at: number): Buffer =>
    element(
      "114d9b74",
      element("4dbb", element("53ab", Buffer.from("1c53bb6b", "hex")), element("53ac", unsigned(at))),
    );
  const cues = element("1c53bb6b", cue(40, 10));
  const before = (at: number): Buffer => Buffer.concat([seek(at), info, cluster]);
  expect(heads(film(before(before(0).length), cues)).cues).toEqual([{ track: 1, ticks: 40, clusterOffset: 10 }]);
  expect(heads(film(before(before(0).length + 1), cues)).cues).toBeNull();
  expect(heads(film(before(2 ** 40), cues)).cues).toBeNull();
  expect(heads(film(info, cluster, cues)).cues).toBeNull();
});

test.each([
  ["no compression", [], false],
  ["header stripping", [element("5034", element("4254", unsigned(3)))], false],
  ["zlib, said", [element("5034", element("4254", unsigned(0)))], true],
  ["zlib, as it is when nothing is said", [element("5034")], true],
  ["encryption", [element("5035")], true],
])("frames under %s", (_what, encoding, packed) => {
  const encodings = element("6d80", element("6240", ...encoding));
  expect(heads(film(info, element("1654ae6b", track(1, encodings)), cluster)).tracks).toEqual([
    { number: 1, codecDelayNs: 0, packed },
  ]);
});

test.each([
  ["Cues", "1c53bb6b"],
  ["tracks", "1654ae6b"],
])("%s of more than 4 MB are a trap, and not read", (_what, id) => {
  const filled = (bytes: number): Buffer => film(info, element(id, element("ec", Buffer.alloc(bytes - 9))), cluster);
  expect(read(filled(maxCuesBytes)).kind).toBe("read");
  expect(read(filled(maxCuesBytes + 1)).kind).toBe("too large");
});

test("what is no Matroska, or is cut off, is said to be none or has no heads", () => {
  expect(read(Buffer.from("no film at all")).kind).toBe("not matroska");
  expect(read(Buffer.alloc(0)).kind).toBe("not matroska");
  expect(read(ebml).kind).toBe("not matroska");
  const whole = film(info, element("1654ae6b", track(1)), cluster);
  for (let length = ebml.length + 12; length < whole.length; length++) {
    expect(["read", "not matroska"]).toContain(read(whole.subarray(0, length)).kind);
  }
});

test("of one head that is there twice the first counts, and behind a hundred elements no more is looked for", () => {
  const other = element("1549a966", element("2ad7b1", unsigned(7)));
  expect(heads(film(info, other, cluster)).timestampScale).toBe(500_000);
  const nothing = element("ec");
  const behind = (count: number) => film(...Array.from({ length: count }, () => nothing), info, cluster);
  expect(heads(behind(99)).timestampScale).toBe(500_000);
  expect(heads(behind(100)).timestampScale).toBe(1_000_000);
});
