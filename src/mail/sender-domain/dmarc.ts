import type { Lookup } from "./lookup.ts";

/** What a domain asks receivers to do with letters that fail (RFC 9989). */
export interface DmarcPolicy {
  /** Where the record stands: the domain itself, or one above it. */
  readonly at: string;
  readonly policy: "none" | "quarantine" | "reject";
  /** `t=y`: receivers are asked to be one step milder. */
  readonly isTesting: boolean;
  /** Whether the domain of the DKIM signature, and of the Return-Path, must equal the one in From. */
  readonly strictDkim: boolean;
  readonly strictSpf: boolean;
}

export type DmarcAnswer =
  | { readonly kind: "found"; readonly policy: DmarcPolicy }
  | { readonly kind: "none" | "failed" }
  /** A record that receivers do not act on: no known policy, or two of them at one name. */
  | { readonly kind: "unusable"; readonly at: string };

/** RFC 9989 section 4.10: so many names at most, from the domain up. */
const mostNames = 8;

/** The names that are asked for one domain, itself first. */
function namesOf(domain: string): readonly string[] {
  const labels = domain.split(".");
  const names = labels.map((_, place) => labels.slice(place).join("."));
  return names.length <= mostNames ? names : [domain, ...names.slice(-(mostNames - 1))];
}

type Tags = ReadonlyMap<string, string>;

/** A name's record; `none` where there is none, `two` where there are several, which receivers read as none. */
async function recordAt(lookup: Lookup, name: string): Promise<Tags | "none" | "two" | "failed"> {
  const answered = await lookup.txt(`_dmarc.${name}`);
  if (answered.kind !== "found") return answered.kind;
  const [record, ...more] = answered.values.filter((text) => /^v=DMARC1\s*(;|$)/.test(text));
  return record === undefined ? "none" : more.length > 0 ? "two" : tagsOf(record);
}

interface Walked {
  /** From the domain up. */
  readonly records: readonly { readonly name: string; readonly tags: Tags }[];
  /** The first name that has two. */
  readonly twice: string | undefined;
}

/** Walks up the names of a domain; `failed` where a resolver did not answer. Source: RFC 9989 section 4.10 (tree walk). */
async function walk(lookup: Lookup, domain: string, names: readonly string[]): Promise<Walked | "failed"> {
  const records: { readonly name: string; readonly tags: Tags }[] = [];
  let twice: string | undefined;
  for (const name of names) {
    const tags = await recordAt(lookup, name);
    if (tags === "failed") return "failed";
    if (tags === "two") twice ??= name;
    if (typeof tags === "string") continue;
    records.push({ name, tags });
    const psd = tags.get("psd")?.toLowerCase();
    if (psd === "n" || (psd === "y" && name !== domain)) break;
  }
  return { records, twice };
}

/** The name under which a domain's owner has everything, by the records that a walk found. Source: RFC 9989 section 4.10.2. */
function organisationIn({ records }: Walked, domain: string): string {
  const highest = records.at(-1);
  if (highest === undefined) return domain;
  // What many owners have their names under says so, and each of them is one label below.
  if (highest.tags.get("psd")?.toLowerCase() !== "y" || highest.name === domain) return highest.name;
  return domain
    .split(".")
    .slice(-(highest.name.split(".").length + 1))
    .join(".");
}

/**
 * A domain's organizational domain: in relaxed alignment two names count as one if it is the same. `undefined` where a resolver did not
 * answer.
 */
export async function findOrganisation(lookup: Lookup, domain: string): Promise<string | undefined> {
  const walked = await walk(lookup, domain, namesOf(domain));
  return walked === "failed" ? undefined : organisationIn(walked, domain);
}

/**
 * Finds the record that holds for a domain: its own, else that of its organizational domain, else that of the name under which many
 * owners have theirs. Source: RFC 9989 section 4.10.1.
 */
export async function findDmarc(lookup: Lookup, domain: string): Promise<DmarcAnswer> {
  const own = await recordAt(lookup, domain);
  if (own === "failed") return { kind: "failed" };
  if (own === "two") return { kind: "unusable", at: domain };
  if (own !== "none") return readRecord(own, domain, true);
  const walked = await walk(lookup, domain, namesOf(domain).slice(1));
  if (walked === "failed") return { kind: "failed" };
  const { records, twice } = walked;
  const organisation = organisationIn(walked, domain);
  const found = records.find(({ name }) => name === organisation) ?? records.at(-1);
  if (found !== undefined) return readRecord(found.tags, found.name, false);
  return twice === undefined ? { kind: "none" } : { kind: "unusable", at: twice };
}

function readRecord(tags: Tags, at: string, isOwn: boolean): DmarcAnswer {
  const asked = (isOwn ? undefined : tags.get("sp")) ?? tags.get("p");
  const policy = (["none", "quarantine", "reject"] as const).find((one) => one === asked?.toLowerCase());
  // RFC 9989 section 4.7: without a valid policy, one that asks for reports counts as `none`.
  if (policy === undefined && tags.get("rua") === undefined) return { kind: "unusable", at };
  return {
    kind: "found",
    policy: {
      at,
      policy: policy ?? "none",
      isTesting: tags.get("t") === "y",
      strictDkim: tags.get("adkim") === "s",
      strictSpf: tags.get("aspf") === "s",
    },
  };
}

/** `tag=value; tag=value` (RFC 6376 section 3.2, as DMARC uses it too). A tag that comes twice keeps its first value. */
export function tagsOf(record: string): Tags {
  const tags = new Map<string, string>();
  for (const part of record.split(";").slice(0, 50)) {
    const at = part.indexOf("=");
    const name = part.slice(0, Math.max(0, at)).trim().toLowerCase();
    if (name !== "" && !tags.has(name)) tags.set(name, part.slice(at + 1).trim());
  }
  return tags;
}
