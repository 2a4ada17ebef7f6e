import { expect, test } from "vitest";
import { readsOf } from "../../../test/disk-in-memory.ts";
import { checkMovie } from "./mp4-heads.ts";

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const box = (type: string, ...data: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(data);
  return Buffer.concat([uint32(8 + content.length), Buffer.from(type, "latin1"), content]);
};
const check = (bytes: Buffer, sizeBytes = bytes.length) => checkMovie(readsOf(bytes), 0, sizeBytes);
const fileType = box("ftyp", Buffer.from("isom"));
const movie = box("moov", box("mvhd"));
const fine = { kind: "movie", severalEdits: false };

test.each([
  ["a box that runs to the end of the file", Buffer.concat([fileType, uint32(0), Buffer.from("moov"), box("mvhd")])],
  [
    "a box whose size has 64 bits before it",
    Buffer.concat([fileType, uint32(1), Buffer.from("mdat"), uint32(0), uint32(20), uint32(7), movie]),
  ],
  ["nothing but itself", movie],
])("an index is found in %s", (_what, bytes) => {
  expect(check(bytes)).toEqual(fine);
});

test.each([
  ["text", Buffer.from("\0\0\0\u0010#EXTM3U and more"), undefined, "it is not a video file"],
  [
    "a box smaller than its own head",
    Buffer.concat([fileType, uint32(7), Buffer.from("free")]),
    undefined,
    "its boxes are damaged",
  ],
  [
    "a box of no length, counted in 64 bits",
    Buffer.concat([fileType, uint32(1), Buffer.from("mdat"), Buffer.alloc(8)]),
    undefined,
    "its boxes are damaged",
  ],
  [
    "no index",
    Buffer.concat([fileType, box("mdat", Buffer.alloc(99))]),
    undefined,
    "it has no index: it was not written to its end",
  ],
  ["an index that is cut off", movie.subarray(0, -1), undefined, "its index is cut off"],
  [
    "an index above 64 MB",
    Buffer.concat([fileType, uint32(64 * 1_048_576 + 1), Buffer.from("moov")]),
    2 ** 31,
    "its index is larger than 64 MB",
  ],
  [
    "more boxes than a film has",
    Buffer.concat(Array.from({ length: 200_000 }, () => box("free")).concat(movie)),
    undefined,
    "it has too many boxes",
  ],
])("%s is refused before the demuxer sees it", (_what, bytes, sizeBytes, reason) => {
  expect(check(bytes, sizeBytes)).toEqual({ kind: "refused", reason });
});

test("as many boxes as a film may have are looked through", () => {
  expect(check(Buffer.concat(Array.from({ length: 199_999 }, () => box("free")).concat(movie)))).toEqual(fine);
});

/** A piece of an edit list: how long it is shown, and from where in the media; −1 for a pause. */
const piece = (isLong: boolean, mediaTime: number): Buffer => {
  const bytes = Buffer.alloc(isLong ? 20 : 12);
  if (isLong) bytes.writeBigInt64BE(BigInt(mediaTime), 8);
  else bytes.writeInt32BE(mediaTime, 4);
  return bytes;
};
const edited = (isLong: boolean, mediaTimes: readonly number[], says = mediaTimes.length): Buffer =>
  box(
    "moov",
    box("mvhd"),
    box(
      "trak",
      box("tkhd"),
      box(
        "edts",
        box("elst", uint32(isLong ? 0x0100_0000 : 0), uint32(says), ...mediaTimes.map((time) => piece(isLong, time))),
      ),
    ),
  );

test.each([true, false])(
  "a track of several pieces is known by its edit list; a pause before it is none (64 bits: %s)",
  (isLong) => {
    const pieces = (mediaTimes: readonly number[], says?: number) => {
      const found = check(edited(isLong, mediaTimes, says));
      return found.kind === "movie" ? found.severalEdits : found.reason;
    };
    expect([[0], [1_024], [-1, 0], []].map((times) => pieces(times))).toEqual([false, false, false, false]);
    expect(
      [
        [0, 500],
        [-1, 0, 500],
      ].map((times) => pieces(times)),
    ).toEqual([true, true]);
    // Says that it has more than it holds.
    expect(pieces([0], 4_000_000_000)).toBe(false);
  },
);
