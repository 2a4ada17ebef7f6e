import type { AccountId } from "../src/kernel/brand.ts";
import { Secret } from "../src/kernel/secret.ts";
import type { Ground } from "../src/app.ts";
import type { IndexPurpose, KeyPurpose, SignPurpose, CodePurpose } from "../src/keyholder/keyholder.ts";
import { keyPurposes } from "../src/keyholder/keys.ts";
import { splitMacs } from "../src/keyholder/named-mac.ts";
import { verifyEd25519 } from "../src/timeline/note.ts";

type Keyholders = Pick<Ground["keyholders"], "operator" | "mailer" | "transmitter" | "keeper">;

/** Something that a key has made. */
interface Artifact {
  /** Whether it is still taken, as the service takes it. */
  readonly isTaken: (keyholders: Keyholders) => Promise<boolean>;
}
export type Artifacts = ReadonlyMap<KeyPurpose, Artifact>;

const tag = new Secret(Buffer.alloc(32, 7));
const binding = Buffer.alloc(32, 1);
const word = Secret.fromText("BCDFGHJKLM");
const message = Buffer.from("signed");

const opens = (opening: Promise<unknown>): Promise<boolean> =>
  opening.then(
    () => true,
    () => false,
  );

async function index({ operator }: Keyholders, purpose: IndexPurpose): Promise<Artifact> {
  const value = "ada@artifacts.example";
  const [made = Buffer.alloc(0)] = splitMacs(await operator.index(purpose, value));
  return {
    isTaken: async (now) => splitMacs(await now.operator.index(purpose, value)).some((each) => each.equals(made)),
  };
}

async function code({ operator }: Keyholders, purpose: CodePurpose): Promise<Artifact> {
  const mac = await operator.codeMac(purpose, binding, word);
  return { isTaken: (now) => now.operator.checkCode(purpose, binding, word, mac) };
}

async function signature({ operator }: Keyholders, purpose: SignPurpose): Promise<Artifact> {
  const made = await operator.sign(purpose, message);
  return {
    isTaken: async (now) =>
      (await now.operator.publicKeys(purpose)).some(({ publicKey }) => verifyEd25519(publicKey, message, made)),
  };
}

const makers: Readonly<Record<KeyPurpose, (keyholders: Keyholders, accountId: AccountId) => Promise<Artifact>>> = {
  wrap: async ({ operator }, accountId) => {
    const dataKey = await operator.newDataKey(accountId);
    const place = { table: "account", column: "sealed_name", accountId };
    return { isTaken: (now) => opens(now.operator.seal(dataKey, place, "Ada")) };
  },
  password: async ({ operator }, accountId) => {
    const record = await operator.sealPassword(accountId, tag);
    return { isTaken: (now) => now.operator.verifyPassword(accountId, record, tag) };
  },
  mailer: async ({ operator }) => {
    const sealed = await operator.sealForMailer("artifact", word);
    // Commands on the host may not open it; whether it opens is told by sealing it again.
    return { isTaken: async (now) => (await now.keeper.keys.rewrap("mailer", ["artifact"], [sealed]))[0] !== null };
  },
  "index.address": (from) => index(from, "address"),
  "index.user-code": (from) => index(from, "user-code"),
  "index.throttle": (from) => index(from, "throttle"),
  "index.canary": (from) => index(from, "canary"),
  "index.bounce": (from) => index(from, "bounce"),
  "code.sign-up": (from) => code(from, "sign-up"),
  "code.renewal": (from) => code(from, "renewal"),
  "sign.grant": (from) => signature(from, "grant"),
  "sign.checkpoint": (from) => signature(from, "checkpoint"),
  "sign.letter": (from) => signature(from, "letter"),
  dkim: async ({ mailer }) => {
    const made = (await mailer.dkimPublicKeys()).find(({ inUse }) => inUse)?.publicKey ?? Buffer.alloc(0);
    return { isTaken: async (now) => (await now.mailer.dkimPublicKeys()).some((each) => each.publicKey.equals(made)) };
  },
  signal: async ({ transmitter }) => {
    const made = (await transmitter.setKeys()).at(-1)?.kid;
    return { isTaken: async (now) => (await now.transmitter.setKeys()).some(({ kid }) => kid === made) };
  },
};

/** One thing made by each key that there is. */
export async function makeArtifacts(keyholders: Keyholders, accountId: AccountId): Promise<Artifacts> {
  const made = new Map<KeyPurpose, Artifact>();
  for (const purpose of keyPurposes) made.set(purpose, await makers[purpose](keyholders, accountId));
  return made;
}

/** The purposes whose thing is still taken. */
export async function takenOf(keyholders: Keyholders, artifacts: Artifacts): Promise<KeyPurpose[]> {
  const taken: KeyPurpose[] = [];
  for (const [purpose, { isTaken }] of artifacts) if (await isTaken(keyholders)) taken.push(purpose);
  return taken;
}
