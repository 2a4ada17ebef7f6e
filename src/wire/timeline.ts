import { Type, type Static } from "typebox";
import { Closed, Instant } from "./common.ts";

/** A witness elsewhere of the timeline, as the console lists it. */
export const ListedWitness = Closed({
  name: Type.String(),
  /** The largest tree that it cosigned. */
  cosignedSize: Type.Integer(),
  cosignedAt: Type.Union([Instant, Type.Null()]),
  /** Since when it has not done what it was asked for, and why; null while it does. */
  failingSince: Type.Union([Instant, Type.Null()]),
  problem: Type.Union([Type.String(), Type.Null()]),
});
export type ListedWitness = Static<typeof ListedWitness>;
