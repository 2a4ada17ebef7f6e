import { unlink } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../kernel/fault.ts";
import { Secret } from "../kernel/secret.ts";
import { base64 } from "./arguments.ts";
import { decodeChecked, encodeChecked, isRecord, readPrivateFile, writeDurably } from "./durable-file.ts";

const format = "houselights operator credential 1";
const limitBytes = 4 * 1_024;
const pathIn = (keysDir: string): string => join(keysDir, "operator.credential");

/** What a command on the host connects with. */
export interface OperatorCredential {
  readonly socketPath: string;
  readonly credential: Secret;
}

/**
 * Leaves it in the folder (`operator.credential`, 0600) for commands on the host. The key process does, and takes it away, while it has
 * the folder's lock: what lies there is never another's. One that lies there already needs no disk, which may be full when a process
 * that died is started again.
 */
export async function leaveOperatorCredential(
  keysDir: string,
  { socketPath, credential }: OperatorCredential,
): Promise<void> {
  const text = encodeChecked(format, { socketPath, credential: base64(credential.reveal()) });
  const found = await readPrivateFile(pathIn(keysDir), limitBytes).catch(() => undefined);
  if (found !== text) await writeDurably(pathIn(keysDir), text);
}

export const removeOperatorCredential = (keysDir: string): Promise<void> =>
  unlink(pathIn(keysDir)).catch(() => undefined);

/**
 * What a command on the host connects with (`connectKeyholder({ ...await readOperatorCredential(dir), role: "operator",
 * log })`). Throws KEYHOLDER_UNAVAILABLE when no keyholder has been started on the folder.
 */
export async function readOperatorCredential(keysDir: string): Promise<OperatorCredential> {
  const path = pathIn(keysDir);
  const text = await readPrivateFile(path, limitBytes);
  if (text === undefined) throw new Fault("KEYHOLDER_UNAVAILABLE", `no keyholder is running on ${keysDir}`);
  const body = decodeChecked(format, text, path);
  if (!isRecord(body) || typeof body["socketPath"] !== "string" || typeof body["credential"] !== "string") {
    throw new Fault("CONFIG_INVALID", `${path} is not an operator's credential`);
  }
  return { socketPath: body["socketPath"], credential: new Secret(Buffer.from(body["credential"], "base64")) };
}
