import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";

export type BoundedFile =
  | { readonly kind: "read"; readonly bytes: Buffer }
  | { readonly kind: "missing" }
  /** `why` goes on after "it". */
  | { readonly kind: "refused"; readonly why: string };

const pieceBytes = 64 * 1024;

/**
 * Reads a file that somebody else made: `most` bytes at most, and only a file or a link to one. A pipe that nobody writes
 * into would be waited for without end, and a link to a device read without end. `pipes` lets in other things than files, for a
 * path that whoever asks has named: a shell's `<(…)` is a pipe.
 */
export async function readBounded(
  path: string,
  most: number,
  { pipes = false }: { readonly pipes?: boolean } = {},
): Promise<BoundedFile> {
  let file: FileHandle | undefined;
  try {
    // Opening a pipe waits for its writer unless it is told not to.
    file = await open(path, pipes ? constants.O_RDONLY : constants.O_RDONLY | constants.O_NONBLOCK);
    if (!pipes && !(await file.stat()).isFile()) return { kind: "refused", why: "is no file" };
    const pieces: Buffer[] = [];
    for (let length = 0; ;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(pieceBytes), 0, pieceBytes, null);
      if (bytesRead === 0) return { kind: "read", bytes: Buffer.concat(pieces) };
      length += bytesRead;
      if (length > most) return { kind: "refused", why: "is larger than any such file is" };
      pieces.push(buffer.subarray(0, bytesRead));
    }
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown)) throw thrown;
    if (thrown.code === "ENOENT" || thrown.code === "ENOTDIR") return { kind: "missing" };
    return { kind: "refused", why: `cannot be read (${String(thrown.code)})` };
  } finally {
    await file?.close();
  }
}

/** The text of such a file; `undefined` without one. */
export async function readBoundedText(...asked: Parameters<typeof readBounded>): Promise<string | undefined> {
  const found = await readBounded(...asked);
  return found.kind === "read" ? found.bytes.toString("utf8") : undefined;
}
