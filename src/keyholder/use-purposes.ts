import type { UsePurpose } from "./key-uses.ts";
import type { Operation } from "./permissions.ts";

/**
 * What an operation uses a key for; `null` for what uses none: public keys, counts, and the witness, which is asked before
 * anything may be written to a database.
 */
export const purposeOfUse: Readonly<Record<Operation, UsePurpose | null>> = {
  newDataKey: "seal",
  seal: "seal",
  open: "open",
  index: "index",
  indexMany: "index",
  codeMac: "code",
  checkCode: "code",
  sealPassword: "password",
  verifyPassword: "password",
  honeywords: null,
  newTotpSeed: "second factor",
  verifyTotp: "second factor",
  recoveryMacs: "second factor",
  findRecoveryCode: "second factor",
  sealForMailer: "mailer",
  openForMailer: "mailer",
  "sign.grant": "sign.grant",
  "sign.checkpoint": "sign.checkpoint",
  "sign.letter": "sign.letter",
  publicKeys: null,
  dkimSign: "dkim",
  dkimPublicKeys: null,
  counters: null,
  "keys.states": null,
  "keys.rotate": "keys",
  "keys.use": "keys",
  "keys.close": "keys",
  "keys.retire": "keys",
  "keys.rewrap": "keys",
  "uses.callers": null,
  "uses.beyond": null,
  "uses.settle": null,
  "witness.read": null,
  "witness.highestFloors": null,
  "witness.enrol": null,
  "witness.intend": null,
  "witness.confirm": null,
  "witness.abandon": null,
  "witness.advance": null,
  "witness.adopt": null,
};
