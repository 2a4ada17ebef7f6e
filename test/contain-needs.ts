import type { Ground } from "../src/app.ts";
import type { Witness } from "../src/keyholder/keyholder.ts";

/** What a containment on the host works with: the database itself, and the operator's witness unless another is given. */
export const containNeedsOf = (ground: Ground, witness: Witness = ground.keyholders.operator.witness) => ({
  ...ground,
  db: ground.plainDb,
  witness,
});
