import fc from "fast-check";
import { expect, test } from "vitest";
import { Fault } from "../kernel/fault.ts";
import { encodeFrame, frameReader } from "./frames.ts";

/** Cuts bytes at the given places, which may lie anywhere and in any order. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const edges = [0, ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return edges.slice(1).map((end, at) => bytes.subarray(edges[at], end));
}

test("frames come out as they went in, wherever the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { maxLength: 6 }), fc.array(fc.nat(5000)), (values, places) => {
      const stream = Buffer.concat(values.map((value) => encodeFrame(JSON.stringify(value))));
      const reader = frameReader(100_000);
      const read: unknown[] = [];
      for (const chunk of cut(stream, places)) {
        reader.push(chunk);
        for (let frame = reader.next(); frame !== undefined; frame = reader.next()) read.push(frame.value);
      }
      expect(JSON.stringify(read)).toBe(JSON.stringify(values));
    }),
  );
});

test("garbage is refused with a Fault and nothing else, and the Fault quotes none of it", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, framed) => {
      const garbage = Buffer.from(bytes);
      const head = Buffer.alloc(4);
      head.writeUInt32BE(garbage.length);
      const reader = frameReader(1_000);
      reader.push(framed ? Buffer.concat([head, garbage]) : garbage);
      try {
        while (reader.next() !== undefined);
      } catch (error) {
        expect(error).toBeInstanceOf(Fault);
        expect(String(error)).toMatch(/^Fault: (a frame of \d+ bytes is over the 1000 allowed|a frame is not JSON)$/);
      }
    }),
  );
});

test("what is JSON but for bytes that are no UTF-8 is refused", () => {
  const reader = frameReader(10);
  reader.push(Buffer.concat([Buffer.of(0, 0, 0, 3), Buffer.from('"a"')]));
  expect(reader.next()).toEqual({ value: "a" });
  reader.push(Buffer.concat([Buffer.of(0, 0, 0, 3), Buffer.of(0x22, 0xff, 0x22)]));
  expect(() => reader.next()).toThrow("a frame is not JSON");
});

test("a frame over the limit is refused when its length is read, before its bytes come", () => {
  const reader = frameReader(10);
  reader.push(encodeFrame('"12345678"'));
  expect(reader.next()).toEqual({ value: "12345678" });
  reader.push(encodeFrame('"123456789"').subarray(0, 4));
  expect(() => reader.next()).toThrow("over the 10 allowed");
});
