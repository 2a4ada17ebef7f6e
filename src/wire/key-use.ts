import { Type, type Static } from "typebox";
import { Closed, Instant } from "./common.ts";

/** What keys were used for, as the keyholder counted it, beside what the service's processes had announced. */
export const KeyUse = Closed({
  since: Instant,
  comparedAt: Instant,
  purposes: Type.Array(
    Closed({
      purpose: Type.String(),
      announced: Type.Integer(),
      served: Type.Integer(),
      /** Served, and announced by nobody. */
      surplus: Type.Integer(),
    }),
  ),
});
export type KeyUse = Static<typeof KeyUse>;
