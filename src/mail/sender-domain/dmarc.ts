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

/** Finds the record that holds for a domain by walking up its labels. Source: RFC 9989 section 4.10 (tree walk). */
export async function findDmarc(lookup: Lookup, domain: string): Promise<DmarcAnswer> {
  const labels = domain.split(".");
  const names = labels.map((_, place) => labels.slice(place).join("."));
  const walked = names.length <= mostNames ? names : [domain, ...names.slice(-(mostNames - 1))];
  for (const name of walked) {
    const answered = await lookup.txt(`_dmarc.${name}`);
    if (answered.kind === "failed") return { kind: "failed" };
    const records = answered.kind === "found" ? answered.values.filter((text) => /^v=DMARC1\s*(;|$)/.test(text)) : [];
    if (records.length > 1) return { kind: "unusable", at: name };
    const [record] = records;
    if (record !== undefined) return readRecord(record, name, name === domain);
  }
  return { kind: "none" };
}

function readRecord(record: string, at: string, isOwn: boolean): DmarcAnswer {
  const tags = tagsOf(record);
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
export function tagsOf(record: string): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  for (const part of record.split(";").slice(0, 50)) {
    const at = part.indexOf("=");
    const name = part.slice(0, Math.max(0, at)).trim().toLowerCase();
    if (name !== "" && !tags.has(name)) tags.set(name, part.slice(at + 1).trim());
  }
  return tags;
}
