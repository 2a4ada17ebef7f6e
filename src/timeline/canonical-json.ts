import { Fault } from "../kernel/fault.ts";

export type JsonScalar = string | number | boolean | null;
type JsonValue = JsonScalar | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/**
 * One text for one value, so that equal things hash equally: keys in order of their UTF-16 units, no white space.
 * Numbers are safe integers only, which every JSON library writes alike; text must be well-formed Unicode. Anything
 * else is Fault `IMPOSSIBLE`.
 *
 * Source: RFC 8785 (JCS), sections 3.2.2 and 3.2.3.
 */
export function canonicalJson(value: JsonValue): string {
  if (typeof value === "number" && (!Number.isSafeInteger(value) || Object.is(value, -0))) {
    throw new Fault("IMPOSSIBLE", "a number in canonical JSON is not a safe integer");
  }
  if (typeof value === "string" && !value.isWellFormed()) {
    throw new Fault("IMPOSSIBLE", "a text in canonical JSON has a lone surrogate");
  }
  if (typeof value === "string") return isPlain.test(value) ? `"${value}"` : JSON.stringify(value);
  if (value === null || typeof value !== "object") return String(value);
  let text = "";
  if (isList(value)) {
    for (const one of value) text += text === "" ? canonicalJson(one) : `,${canonicalJson(one)}`;
    return `[${text}]`;
  }
  for (const key of Object.keys(value).toSorted()) {
    text += `${text === "" ? "" : ","}${canonicalJson(key)}:${canonicalJson(value[key] ?? null)}`;
  }
  return `{${text}}`;
}

/** Stands in JSON as it is. */
const isPlain = /^[ !#-[\]-~]*$/;

const isList = (value: object): value is readonly JsonValue[] => Array.isArray(value);
