import { readVerifierKey, signatureTypes, verifierKeyText, type VerifierKey } from "./note.ts";

export interface PolicyWitness {
  /** What the policy calls it; its key has a name of its own. */
  readonly name: string;
  readonly key: VerifierKey;
  /** Its submission prefix, without a slash at the end. */
  readonly url: string | undefined;
}

/** Whose signatures make a checkpoint good: any of the logs, and witnesses by the quorum (C2SP tlog-policy). */
export interface Policy {
  readonly logs: readonly VerifierKey[];
  readonly witnesses: readonly PolicyWitness[];
  /** Whether these witnesses, by the policy's names, are enough. */
  readonly isMet: (cosigned: ReadonlySet<string>) => boolean;
  /** The name on the quorum line. */
  readonly quorum: string;
}

type Rule = (cosigned: ReadonlySet<string>) => boolean;

const mostLines = 1_000;

/**
 * Reads a policy file (C2SP tlog-policy). @returns what is wrong, by line number and rule, for a file that is not one:
 * an unknown word, a name used twice or before it is defined, the same key twice, no quorum.
 */
export function readPolicy(text: string): Policy | { readonly wrong: string } {
  const lines = text.split("\n");
  if (lines.length > mostLines) return { wrong: `it has more than ${mostLines} lines` };
  const logs: VerifierKey[] = [];
  const witnesses: PolicyWitness[] = [];
  const rules = new Map<string, Rule>();
  const grouped = new Set<string>();
  const keys = new Set<string>();
  let quorum: { readonly name: string; readonly rule: Rule } | undefined;

  const isNewKey = (key: VerifierKey): boolean => {
    const raw = key.publicKey.toString("hex");
    return keys.size !== keys.add(raw).size;
  };
  const readLine = ([word, ...rest]: readonly string[]): string | undefined => {
    switch (word) {
      case "log": {
        const key = rest[0] === undefined ? undefined : readVerifierKey(rest[0]);
        if (key?.type !== signatureTypes.ed25519 || rest.length > 2) return "must be: log KEY [URL], an Ed25519 key";
        if (!isNewKey(key)) return "has a key that stands there already";
        logs.push(key);
        return undefined;
      }
      case "witness": {
        const [name, keyText, url] = rest;
        const key = keyText === undefined ? undefined : readVerifierKey(keyText);
        if (name === undefined || key?.type !== signatureTypes.cosignature || rest.length > 3) {
          return "must be: witness NAME KEY [URL], a key for Ed25519 cosignatures";
        }
        if (name === "none" || rules.has(name)) return "has a name that is taken";
        if (!isNewKey(key)) return "has a key that stands there already";
        if (url !== undefined && !isSafeUrl(url)) {
          return "has an address that is not https://, nor http:// to this machine";
        }
        witnesses.push({ name, key, url: url?.replace(/\/+$/, "") });
        rules.set(name, (cosigned) => cosigned.has(name));
        return undefined;
      }
      case "group": {
        const [name, count, ...members] = rest;
        if (name === undefined || count === undefined || members.length === 0) {
          return "must be: group NAME all|any|COUNT MEMBER…";
        }
        if (name === "none" || rules.has(name)) return "has a name that is taken";
        const of = members.flatMap((member) => rules.get(member) ?? []);
        if (of.length !== members.length) return "names a member that is not defined above it";
        if (members.some((member) => grouped.size === grouped.add(member).size)) {
          return "names a member that stands in a group already";
        }
        const needed =
          count === "all" ? of.length : count === "any" ? 1 : /^[1-9]\d{0,3}$/.test(count) ? Number(count) : 0;
        if (needed < 1 || needed > of.length) return "asks for more members than it has, or for none";
        rules.set(name, (cosigned) => of.filter((rule) => rule(cosigned)).length >= needed);
        return undefined;
      }
      case "quorum": {
        const [name] = rest;
        const rule = name === "none" ? () => true : rules.get(name ?? "");
        if (name === undefined || rest.length > 1 || rule === undefined)
          return "must name what is defined above it, or none";
        if (quorum !== undefined) return "is the second quorum line";
        quorum = { name, rule };
        return undefined;
      }
      default:
        return "begins with none of: log, witness, group, quorum";
    }
  };
  for (const [index, line] of lines.entries()) {
    // oxlint-disable-next-line no-control-regex -- what the format forbids
    if (/[\u0000-\u0008\u000b-\u001f]/.test(line)) return { wrong: `line ${index + 1} has a control character` };
    const words = line.split(/[ \t]+/).filter((word) => word !== "");
    if (words.length === 0 || words[0]?.startsWith("#") === true) continue;
    const wrong = readLine(words);
    if (wrong !== undefined) return { wrong: `line ${index + 1} ${wrong}` };
  }
  if (quorum === undefined) return { wrong: "it has no quorum line" };
  return { logs, witnesses, isMet: quorum.rule, quorum: quorum.name };
}

function isSafeUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") return false;
  if (url.protocol === "https:") return true;
  return url.protocol === "http:" && ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
}

/** The policy of a log without witnesses, or with those of another policy, whose own logs are left out. */
export function policyText(logs: readonly VerifierKey[], witnessLines: readonly string[]): string {
  const own = logs.map((key) => `log ${verifierKeyText(key)}`);
  return [...own, ...(witnessLines.length === 0 ? ["quorum none"] : witnessLines)].map((line) => `${line}\n`).join("");
}

/** Everything of a policy that speaks of witnesses, line by line. */
export const witnessLinesOf = (text: string): string[] =>
  text.split("\n").filter((line) => /^[ \t]*(witness|group|quorum)[ \t]/.test(line));
