import { Fault } from "../kernel/fault.ts";

/** The hello is all that a stranger may send. */
export const maxHelloBytes = 4 * 1024;
/** One frame of calls. */
export const maxCallFrameBytes = 8 * 1024 * 1024;
/** One frame of answers; an answer may be longer than what was asked (a key for a name). */
export const maxAnswerFrameBytes = 16 * 1024 * 1024;
export const maxCallsInFrame = 1_000;

/** A frame: length in bytes (4, big-endian), then JSON in UTF-8. Takes the JSON as text. */
export function encodeFrame(json: string): Buffer {
  const length = Buffer.byteLength(json, "utf8");
  const frame = Buffer.allocUnsafe(4 + length);
  frame.writeUInt32BE(length);
  frame.write(json, 4, "utf8");
  return frame;
}

export interface FrameReader {
  push(chunk: Buffer): void;
  /** The next whole frame, or `undefined` until more bytes come. Throws a Fault for a frame too long or not JSON. */
  next(): { readonly value: unknown } | undefined;
  /** For frames whose length has not been read yet. */
  setLimit(limitBytes: number): void;
}

/** Puts frames together from chunks cut anywhere. Holds no more than one frame and the chunk that ended it. */
export function frameReader(limitBytes: number): FrameReader {
  let limit = limitBytes;
  let chunks: Buffer[] = [];
  let held = 0;
  // Length of the frame being gathered; it is checked as soon as its 4 bytes are there, before anything is kept for it.
  let wanted: number | undefined;
  const utf8 = new TextDecoder("utf-8", { fatal: true });

  function take(count: number): Buffer {
    const [first] = chunks;
    // Many small frames in one chunk are cut from it without a copy.
    const all = first !== undefined && first.length >= count ? first : Buffer.concat(chunks);
    chunks = [all.subarray(count), ...(all === first ? chunks.slice(1) : [])];
    held -= count;
    return all.subarray(0, count);
  }

  return {
    push(chunk) {
      chunks.push(chunk);
      held += chunk.length;
    },
    next() {
      if (wanted === undefined) {
        if (held < 4) return undefined;
        wanted = take(4).readUInt32BE();
        if (wanted > limit)
          throw new Fault("KEYHOLDER_REFUSED", `a frame of ${wanted} bytes is over the ${limit} allowed`);
      }
      if (held < wanted) return undefined;
      const bytes = take(wanted);
      wanted = undefined;
      try {
        return { value: JSON.parse(utf8.decode(bytes)) };
      } catch {
        // The parser's own message would quote the frame, which may be a secret.
        throw new Fault("KEYHOLDER_REFUSED", "a frame is not JSON");
      }
    },
    setLimit(bytes) {
      limit = bytes;
    },
  };
}
