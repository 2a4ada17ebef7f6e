import { remarkCanaries } from "../src/canaries/remark.ts";
import { silentLog } from "../src/kernel/log.ts";
import type { Ground } from "../src/app.ts";

/** What keeps, changes and retires keys, of a service under test. */
export const keepingNeedsOf = ({ db, keyholders, clock, random }: Ground) => ({
  db,
  keys: keyholders.keeper.keys,
  keyholder: keyholders.mailer,
  clock,
  random,
  log: silentLog,
  remarkCanaries: (toVersion: number) => remarkCanaries({ db, keyholder: keyholders.mailer }, toVersion),
});
