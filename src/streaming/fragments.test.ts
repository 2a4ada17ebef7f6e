import { expect, test } from "vitest";
import { adtsCutter } from "./aac.ts";
import { fragmentCutter, placeFragment, type Fragment } from "./fragments.ts";

/** What an encoder writes to its pipe arrives in parts of any size, and is ours to doubt. */
function box(type: string, ...parts: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + parts.reduce((sum, { length }) => sum + length, 0));
  head.write(type, 4, "latin1");
  return Buffer.concat([head, ...parts]);
}
const zeros = (count: number): Buffer => Buffer.alloc(count);

function fragment(samples: number, media: string, version = 1): Buffer {
  const tfdt = box("tfdt", Buffer.from([version, 0, 0, 0]), zeros(8));
  const trun = box("trun", zeros(4), Buffer.from([0, 0, 0, samples]), zeros(4));
  const moof = box("moof", box("mfhd", zeros(8)), box("traf", box("tfhd", zeros(8)), tfdt, trun));
  return Buffer.concat([moof, box("mdat", Buffer.from(media))]);
}
const init = Buffer.concat([box("ftyp", Buffer.from("iso6")), box("moov", zeros(20))]);
const stream = Buffer.concat([init, box("sidx", zeros(9)), fragment(48, "one"), box("free"), fragment(3, "three")]);

/** In parts of so many bytes. */
const partsOf = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_none, n) => bytes.subarray(n * size, (n + 1) * size));

test.each([1, 2, 7, 8, 9, 50, 10_000])(
  "an encoder's stream in parts of %i bytes is cut into what it is made of",
  (size) => {
    const cutter = fragmentCutter();
    const found: Fragment[] = partsOf(stream, size).flatMap((part) => cutter.push(part));
    expect(found).toEqual([
      { kind: "init", bytes: init },
      { kind: "media", bytes: fragment(48, "one"), samples: 48 },
      { kind: "media", bytes: fragment(3, "three"), samples: 3 },
    ]);
  },
);

test.each([
  ["is smaller than its own head", 7],
  ["is larger than any fragment", 32 * 1024 * 1024 + 1],
])("a box that %s ends the run, before it is waited for", (_what, size) => {
  const head = box("moof");
  head.writeUInt32BE(size);
  const cutter = fragmentCutter();
  expect(cutter.push(init)).toHaveLength(1);
  expect(() => cutter.push(head)).toThrow("impossible size");
});

test("media without a head is none", () => {
  const cutter = fragmentCutter();
  expect(cutter.push(Buffer.concat([init, fragment(1, "one")]))).toHaveLength(2);
  expect(() => cutter.push(box("mdat", Buffer.from("one")))).toThrow("without a head");
});

test("a fragment is given its place in the film, whatever it said before", () => {
  const bytes = fragment(48, "one");
  placeFragment(bytes, 2 ** 40 + 5, 7);
  expect(bytes.readUInt32BE(bytes.indexOf("mfhd") + 8)).toBe(7);
  expect(bytes.readBigUInt64BE(bytes.indexOf("tfdt") + 8)).toBe(BigInt(2 ** 40 + 5));
  expect(bytes.length).toBe(fragment(48, "one").length);
  expect(() => placeFragment(fragment(48, "one", 0), 5, 7)).toThrow("without a decode time");
  expect(() => placeFragment(init, 5, 7)).toThrow("without a decode time");
});

/** One frame with its header (ISO/IEC 13818-7 section 6.2): 7 bytes, or 9 with a checksum. */
function adts(frame: string, hasChecksum = false): Buffer {
  const header = Buffer.alloc(hasChecksum ? 9 : 7);
  header.writeUInt16BE(hasChecksum ? 0xfff0 : 0xfff1);
  header.writeUInt32BE(((header.length + frame.length) << 13) >>> 0, 3);
  return Buffer.concat([header, Buffer.from(frame)]);
}

test.each([1, 6, 7, 8, 100])("sound in parts of %i bytes is cut into its frames", (size) => {
  const cutter = adtsCutter();
  const bytes = Buffer.concat([adts("one"), adts("two", true), adts("three"), adts("cut").subarray(0, 9)]);
  const frames = partsOf(bytes, size).flatMap((part) => cutter.push(part));
  expect(frames.map(String)).toEqual(["one", "two", "three"]);
});

test("what is no sound, or a frame without one, ends the run", () => {
  const cutter = adtsCutter();
  expect(cutter.push(adts("one"))).toHaveLength(1);
  expect(() => cutter.push(Buffer.from("something"))).toThrow("something else");
  expect(() => adtsCutter().push(adts(""))).toThrow("something else");
});
