import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ensurePrivateFolder } from "./durable-file.ts";

/** The kernel's field for a socket's path holds 108 bytes on Linux and 104 on macOS, a closing zero included. */
const maxPathBytes = 100;
const fileName = "keyholder.sock";

/**
 * Where the keyholder of a folder listens: in the folder itself if the path is short enough, else in a folder of its own
 * under the system's temporary one, named by the user and a hash of the folder's path.
 */
export function socketPathOf(folder: string): string {
  const whole = resolve(folder);
  const direct = join(whole, fileName);
  if (Buffer.byteLength(direct) <= maxPathBytes) return direct;
  const name = `houselights-${process.getuid?.() ?? 0}-${createHash("sha256").update(whole).digest("hex").slice(0, 16)}`;
  const inTemporary = join(tmpdir(), name, fileName);
  return Buffer.byteLength(inTemporary) <= maxPathBytes ? inTemporary : join("/tmp", name, fileName);
}

/**
 * The same, and its folder is made if need be (0700). One that another user has put there first, or a symbolic link, is
 * refused with a Fault: everybody may write to the temporary folder.
 */
export async function socketPathFor(folder: string): Promise<string> {
  const path = socketPathOf(folder);
  await ensurePrivateFolder(join(path, ".."));
  return path;
}
