import type { Place, Role } from "./keyholder.ts";

/** What can be asked over the socket. `sign` is three operations, because who may sign differs by what is signed. */
export const operations = [
  "newDataKey",
  "seal",
  "open",
  "index",
  "indexMany",
  "codeMac",
  "checkCode",
  "sealPassword",
  "verifyPassword",
  "honeywords",
  "newTotpSeed",
  "verifyTotp",
  "recoveryMacs",
  "findRecoveryCode",
  "sealForMailer",
  "openForMailer",
  "sign.grant",
  "sign.checkpoint",
  "sign.letter",
  "publicKeys",
  "dkimSign",
  "dkimPublicKeys",
  "signSets",
  "setKeys",
  "counters",
  "keys.states",
  "keys.rotate",
  "keys.use",
  "keys.close",
  "keys.retire",
  "keys.rewrap",
  "uses.callers",
  "uses.beyond",
  "uses.settle",
  "witness.read",
  "witness.highestFloors",
  "witness.enrol",
  "witness.intend",
  "witness.confirm",
  "witness.abandon",
  "witness.advance",
  "witness.adopt",
  "standing.follow",
  "standing.read",
  "standing.promote",
] as const;
export type Operation = (typeof operations)[number];

export const roles: readonly Role[] = ["web", "mailer", "witness", "keeper", "transmitter", "operator"];

/** One of something for each role. */
export const forEachRole = <Value>(make: (role: Role) => Value): Readonly<Record<Role, Value>> => ({
  web: make("web"),
  mailer: make("mailer"),
  witness: make("witness"),
  keeper: make("keeper"),
  transmitter: make("transmitter"),
  operator: make("operator"),
});

const mailerAlone: readonly Operation[] = ["openForMailer", "dkimSign", "indexMany", "honeywords"];
/** Other services act on a signal as soon as it is signed. */
const transmitterAlone: readonly Operation[] = ["signSets"];
/** Letting a database in is an operator's decision; no process takes it by itself. */
const operatorAlone: readonly Operation[] = [
  "witness.highestFloors",
  "witness.enrol",
  // Which of two keyholders serves is decided by people.
  "standing.follow",
  "standing.read",
  "standing.promote",
];
const settling: readonly Operation[] = ["witness.intend", "witness.confirm", "witness.abandon", "witness.adopt"];
/** Whoever may retire a key can destroy all that it opens: a captured web process must not be able to ask for it. */
const keeping: readonly Operation[] = ["keys.rotate", "keys.use", "keys.close", "keys.retire", "keys.rewrap"];

/** What was served is compared by those who cannot have been it: a captured web process must not tidy up after itself. */
const accounting: readonly Operation[] = ["uses.callers", "uses.beyond", "uses.settle"];

const allowed: Readonly<Record<Role, ReadonlySet<Operation>>> = {
  // Whoever captures the web process cannot write letters in our name, read what is on its way to the mailer, or sign another
  // timeline.
  web: new Set(
    operations.filter(
      (one) =>
        ![
          ...mailerAlone,
          ...transmitterAlone,
          ...operatorAlone,
          ...settling,
          ...keeping,
          ...accounting,
          "sign.letter",
          "sign.checkpoint",
          "witness.advance",
        ].includes(one),
    ),
  ),
  // The mailer reads addresses and finds accounts by them (bounces); it makes and checks no credential.
  mailer: new Set<Operation>([
    "open",
    "openForMailer",
    "sealForMailer",
    // Whoever tries passwords must not learn which wrong ones fitted a record; the mailer tries none.
    "honeywords",
    "dkimSign",
    "dkimPublicKeys",
    "sign.letter",
    "sign.checkpoint",
    "publicKeys",
    "index",
    "indexMany",
    "keys.states",
    "witness.advance",
  ]),
  // Compares each new connection to the database, and settles containment. It opens, seals, checks and signs nothing.
  witness: new Set<Operation>(["witness.read", "keys.states", ...settling]),
  // The worker's hand for what a rotation leaves to be done: it changes keys and seals again, compares what was
  // served with what was announced, and reveals nothing.
  keeper: new Set<Operation>(["keys.states", ...keeping, ...accounting]),
  // Reads where signals go and for which address, and signs nothing else than signals.
  transmitter: new Set<Operation>(["open", "setKeys", ...transmitterAlone]),
  operator: new Set(operations.filter((one) => ![...mailerAlone, ...transmitterAlone].includes(one))),
};

/** What a standby says to whoever asks for more than how it stands. */
export const standbyRefuses = "this keyholder is a standby: houselights keyholder promote";

/** Whether the role may ask for the operation: the table in this file, and nothing else, decides. */
export const mayAsk = (role: Role, operation: Operation): boolean => allowed[role].has(operation);

/** Where the transmitter's values are. It comes with web, whose addresses are counted: by this role it must get no other ones. */
const transmittersTables: ReadonlySet<string> = new Set(["signal_stream", "signal_delivery"]);

/** Whether a role that may ask for `open` may have a value of this place. */
export const mayOpen = (role: Role, { table }: Pick<Place, "table">): boolean =>
  role !== "transmitter" || transmittersTables.has(table);

/** Reads a name from outside; `undefined` for anything that is no operation. */
export const parseOperation = (name: unknown): Operation | undefined => operations.find((one) => one === name);

export const parseRole = (name: unknown): Role | undefined => roles.find((one) => one === name);
