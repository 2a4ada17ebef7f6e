import type { Role } from "./keyholder.ts";

/** What can be asked over the socket. `sign` is three operations, because who may sign differs by what is signed. */
export const operations = [
  "newDataKey",
  "seal",
  "open",
  "index",
  "codeMac",
  "checkCode",
  "sealPassword",
  "verifyPassword",
  "sealForMailer",
  "openForMailer",
  "sign.grant",
  "sign.checkpoint",
  "sign.letter",
  "publicKeys",
  "dkimKey",
  "dkimPublicKey",
  "counters",
  "witness.read",
  "witness.highestFloors",
  "witness.enrol",
  "witness.intend",
  "witness.confirm",
  "witness.abandon",
  "witness.advance",
  "witness.adopt",
] as const;
export type Operation = (typeof operations)[number];

export const roles: readonly Role[] = ["web", "mailer", "operator"];

const mailerAlone: readonly Operation[] = ["openForMailer", "dkimKey"];
const operatorAlone: readonly Operation[] = [
  "witness.highestFloors",
  "witness.enrol",
  "witness.intend",
  "witness.confirm",
  "witness.abandon",
  "witness.adopt",
];

const allowed: Readonly<Record<Role, ReadonlySet<Operation>>> = {
  // Whoever captures the web process cannot write letters in our name, read what is on its way to the mailer, or settle
  // what the witness waits for: containment over HTTP goes by a second connection that has the operator's credential.
  web: new Set(operations.filter((one) => ![...mailerAlone, ...operatorAlone, "sign.letter"].includes(one))),
  // The mailer reads addresses and finds accounts by them (bounces); it makes and checks no credential.
  mailer: new Set<Operation>([
    "open",
    "openForMailer",
    "sealForMailer",
    "dkimKey",
    "dkimPublicKey",
    "sign.letter",
    "sign.checkpoint",
    "publicKeys",
    "index",
    "witness.advance",
  ]),
  operator: new Set(operations.filter((one) => !mailerAlone.includes(one))),
};

/** Whether the role may ask for the operation: the table in this file, and nothing else, decides. */
export const mayAsk = (role: Role, operation: Operation): boolean => allowed[role].has(operation);

/** Reads a name from outside; `undefined` for anything that is no operation. */
export const parseOperation = (name: unknown): Operation | undefined => operations.find((one) => one === name);

export const parseRole = (name: unknown): Role | undefined => roles.find((one) => one === name);
