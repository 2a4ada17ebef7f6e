import { createHash, randomUUID } from "node:crypto";
import { epoch, floorKinds, parseId } from "../kernel/brand.ts";
import type { AccountId, FloorKind } from "../kernel/brand.ts";
import { impossible } from "../kernel/fault.ts";
import type { Floors, TimelineHead } from "./keyholder.ts";
import { parseFloors } from "./witness.ts";

/** For tests: an account that no other test knows. */
export const newAccountId = (): AccountId => parseId<AccountId>(randomUUID()) ?? impossible("randomUUID makes ids");

/** For tests: every floor at one epoch, but the ones named. */
export function floorsAt(all: number, other: Partial<Record<FloorKind, number>> = {}): Floors {
  const floors = Object.fromEntries(floorKinds.map((kind) => [kind, epoch(other[kind] ?? all)]));
  return parseFloors(floors) ?? impossible("these are floors");
}

/** For tests: a head of that size; another `line` is another timeline. */
export const head = (size: number, line = "main"): TimelineHead => ({
  size,
  rootHex: createHash("sha256").update(`${line} ${size}`).digest("hex"),
});
