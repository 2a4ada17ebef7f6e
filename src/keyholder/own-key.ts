import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import type { Keyholder, Place } from "./keyholder.ts";

/** A random key that one row has for itself, sealed under a data key of its own, as the row keeps it. */
export interface OwnKey {
  readonly dataKey: Buffer;
  readonly sealed: Buffer;
}

/** 256 bits for the row and column that `place` names; its data key is sealed again with all others. */
export async function newOwnKey(
  { keyholder, random }: { readonly keyholder: Pick<Keyholder, "newDataKey" | "seal">; readonly random: Random },
  place: Place,
): Promise<OwnKey> {
  const dataKey = await keyholder.newDataKey(place.accountId);
  return { dataKey, sealed: await keyholder.seal(dataKey, place, random.bytes(32).toString("base64url")) };
}

/** Throws `SEALED_UNREADABLE` for one that does not open. */
export async function openOwnKey(
  keyholder: Pick<Keyholder, "open">,
  { dataKey, sealed }: OwnKey,
  place: Place,
): Promise<Buffer> {
  const [text] = await keyholder.open([{ dataKey, place, sealed }]);
  if (text === null || text === undefined)
    throw new Fault("SEALED_UNREADABLE", `the key in ${place.table} does not open`);
  return Buffer.from(text, "base64url");
}
