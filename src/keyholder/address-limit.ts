import { join } from "node:path";
import { hourMs, type Clock } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { decodeChecked, encodeChecked, isRecord, readPrivateFile, writeDurably } from "./durable-file.ts";
import type { Place, Role } from "./keyholder.ts";

/**
 * Addresses that the web role may open in one hour. A person's own page opens a few; two cores that do nothing but renewals
 * open some 180,000 in an hour.
 */
export const addressesPerHour = 200_000;
/** In one call: an account's addresses, a page of operators. A thief would like to ask for a thousand at once. */
export const addressesPerCall = 200;

/**
 * Roles that open addresses for people one at a time. The mailer writes to everybody, and the operator is on the host; the
 * transmitter, which web has besides, opens none of these (`mayOpen`).
 */
const limited: ReadonlySet<Role> = new Set(["web"]);
/** Where addresses are sealed, those that wait for their code or were removed among them; another place that holds one belongs here. */
const holdsAddress = ({ table, column }: Place): boolean => table === "account_address" && column === "sealed";

/** How much of an hour's number may be forgotten by a kill: it is written down this often. */
const writtenEvery = 50;
const format = "houselights opened addresses 1";
const limitBytes = 4 * 1024;
const pathIn = (folder: string): string => join(folder, "opened.json");

/** Addresses opened in the present hour, as the file has them. */
interface Opened {
  readonly hour: number;
  readonly count: number;
}

export interface AddressLimit {
  /**
   * Counts the addresses among the values before they are opened. Throws KEYHOLDER_REFUSED, and counts nothing, for more
   * than one call or one hour may have.
   */
  admit(role: Role, places: readonly Place[]): void;
  /** Addresses that limited roles have opened in the present hour, of how many; and calls that were refused. */
  counts(): { readonly opened: number; readonly limit: number; readonly refused: number };
}

/**
 * The limit over its file in the folder of keys. A restart goes on with what was written down, rounded up, so that
 * killing the process gains a thief a fiftieth of an hour's number at most. A file that is damaged counts as a full hour.
 */
export async function openAddressLimit(
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  folder: string,
  perHour: number,
): Promise<AddressLimit> {
  const step = Math.max(1, Math.floor(perHour / writtenEvery));
  const hourNow = (): number => Math.floor(clock.now() / hourMs);
  let { hour, count } = await read(folder, hourNow(), perHour);
  // What was opened after the last writing is not known.
  if (count > 0) count = Math.min(perHour, count + step);
  let written = count;
  let refused = 0;
  let isWriting = false;

  function write(): void {
    if (isWriting) return;
    isWriting = true;
    written = count;
    void writeDurably(pathIn(folder), encodeChecked(format, { hour, count }))
      .catch((thrown: unknown) => log.warn({ error: messageOf(thrown) }, "opened addresses could not be written down"))
      .finally(() => {
        isWriting = false;
        // What came meanwhile and is a step more.
        if (count - written >= step) write();
      });
  }

  function refuse(why: string): never {
    refused += 1;
    if ((refused & (refused - 1)) === 0) log.error({ opened: count, refused }, "addresses were asked for in bulk");
    throw new Fault("KEYHOLDER_REFUSED", why);
  }

  return {
    admit(role, places) {
      if (!limited.has(role)) return;
      const asked = places.filter(holdsAddress).length;
      if (asked === 0) return;
      if (hourNow() > hour) [hour, count, written] = [hourNow(), 0, 0];
      if (asked > addressesPerCall) refuse(`the ${role} role may open ${addressesPerCall} addresses in one call`);
      if (count + asked > perHour) refuse(`the ${role} role may open ${perHour} addresses in an hour`);
      count += asked;
      if (count - written >= step || written === 0) write();
    },
    counts: () => ({ opened: hourNow() > hour ? 0 : count, limit: perHour, refused }),
  };
}

async function read(folder: string, hour: number, perHour: number): Promise<Opened> {
  const path = pathIn(folder);
  const text = await readPrivateFile(path, limitBytes);
  if (text === undefined) return { hour, count: 0 };
  let body: unknown;
  try {
    body = decodeChecked(format, text, path);
  } catch {
    return { hour, count: perHour };
  }
  const { hour: then, count } = isRecord(body) ? body : {};
  if (typeof then !== "number" || typeof count !== "number") return { hour, count: perHour };
  // A clock that went back must not begin a new hour.
  return then < hour ? { hour, count: 0 } : { hour: then, count };
}
