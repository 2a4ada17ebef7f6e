/** Requests made from `/openapi.json`: right ones, almost right ones and hostile ones, each from a seed and its number alone. */

export interface Schema {
  readonly type?: string;
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
}

export interface Operation {
  readonly method: string;
  readonly template: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema?: Schema }[];
  readonly body: Schema | undefined;
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema?: Schema }>> }>>;
  /** A page, or what a form of it sends: answered by a page or by a way to one. */
  readonly isPage?: true;
}

interface Document {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          {
            readonly parameters?: Operation["parameters"];
            readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
            readonly responses?: Operation["responses"];
          }
        >
      >
    >
  >;
}

/** Every documented operation. */
export const operationsOf = (document: unknown): Operation[] =>
  Object.entries((document as Document).paths).flatMap(([template, methods]) =>
    Object.entries(methods).flatMap(([method, { parameters = [], requestBody, responses = {} }]) => {
      const body = Object.values(requestBody?.content ?? {})[0]?.schema;
      return [{ method: method.toUpperCase(), template, parameters, body, responses }];
    }),
  );

/** A page as an operation, and each of its forms with the fields that stand in it: pages are in no document. */
export function pageOperations(path: string, html: string): Operation[] {
  const page = { template: path, parameters: [], responses: {}, isPage: true } as const;
  const forms = [...html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)].flatMap(([, head = "", inside = ""]) => {
    const action = /action="(\/[^"#]*)"/.exec(head)?.[1] ?? path;
    const names = [...inside.matchAll(/\bname="([A-Za-z]+)"/g)].map(([, name = ""]) => name);
    const properties = Object.fromEntries(names.map((name) => [name, { type: "string" }]));
    const body = { type: "object", properties, required: names };
    const method = /method="?post/i.test(head) ? "POST" : "GET";
    return method === "GET" ? [] : [{ ...page, template: action, method, body }];
  });
  return [{ ...page, method: "GET", body: undefined }, ...forms];
}

/** Chance that a seed gives again: mulberry32. */
export interface Chance {
  below(limit: number): number;
  pick<Value>(from: readonly Value[]): Value;
  is(share: number): boolean;
}

export function chance(seed: number): Chance {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mix = Math.imul(state ^ (state >>> 15), state | 1);
    mix ^= mix + Math.imul(mix ^ (mix >>> 7), mix | 61);
    return ((mix ^ (mix >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    pick: (from) => from[below(from.length)] as (typeof from)[number],
    is: (share) => next() < share,
  };
}

/** What a request may name and carry: things that exist, so that right requests get somewhere. */
export interface Known {
  readonly addresses: readonly string[];
  readonly passwords: readonly string[];
  readonly ids: readonly string[];
  readonly grants: readonly string[];
  readonly codes: readonly string[];
}

export const credentialKinds = [
  "none",
  "viewer cookie",
  "viewer bearer",
  "operator cookie",
  "ticket",
  "ended",
  "garbage cookie",
  "garbage bearer",
] as const;
export type CredentialKind = (typeof credentialKinds)[number];

/** How often each: who is refused at the door reaches no handler, so most come with something good. */
const shares: Readonly<Record<CredentialKind, number>> = {
  none: 2,
  "viewer cookie": 5,
  "viewer bearer": 3,
  "operator cookie": 8,
  ticket: 2,
  ended: 1,
  "garbage cookie": 1,
  "garbage bearer": 1,
};
const weighted = credentialKinds.flatMap((kind) => Array.from({ length: shares[kind] }, () => kind));

export interface FuzzRequest {
  readonly operation: Operation;
  readonly manner: "right" | "almost" | "hostile";
  readonly credential: CredentialKind;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | undefined;
}

const hostileTexts = [
  "",
  "\u0000",
  "a\u0000b",
  "\ud800",
  "'; drop table account; --",
  "$1",
  "%s%n",
  "../../etc/passwd",
  "<script>alert(1)</script>",
  "{{7*7}}${7*7}",
  "\r\nset-cookie: a=b",
  "x".repeat(5_000),
  "\u202e\u200b\ufeff",
  "é".repeat(200),
  "4111 1111 1111 1111",
  "__proto__",
  "null",
  "-1",
  "1e309",
  "2026-13-45T99:99:99Z",
  "👩‍👩‍👧‍👦".repeat(40),
];
const hostileValues: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e21,
  2 ** 53,
  [],
  [[[[[[]]]]]],
  {},
  { $gt: "" },
  { toString: 1, constructor: { prototype: {} } },
  ...hostileTexts,
];

function text(roll: Chance, schema: Schema, name: string, known: Known): string {
  const { pattern, format, minLength = 0, maxLength = 40 } = schema;
  if (format === "password" || /password/i.test(name)) return roll.pick(known.passwords);
  if (/address/i.test(name)) return roll.pick(known.addresses);
  if (/code/i.test(name) && pattern === undefined) return roll.pick(known.codes);
  if (pattern?.includes("T(") === true) return roll.pick(["2026-11-22T20:00:00.000Z", "1999-01-01T00:00Z"]);
  if (pattern?.includes("{12}$") === true || /Id$|^id$/.test(name)) return roll.pick(known.ids);
  if (pattern?.includes("{43}") === true) return "A".repeat(43);
  const words = ["Attic", "a copy was offered", "Zoë", "映画", "note 7", "x"];
  return roll.pick(words).padEnd(minLength, ".").slice(0, Math.max(maxLength, 1));
}

/** A value that the schema takes. */
function right(roll: Chance, schema: Schema, name: string, known: Known): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return roll.pick(schema.enum);
  if (schema.anyOf !== undefined) return right(roll, roll.pick(schema.anyOf), name, known);
  switch (schema.type) {
    case "object": {
      const fields = Object.entries(schema.properties ?? {});
      const chosen = fields.filter(([field]) => schema.required?.includes(field) === true || roll.is(0.5));
      return Object.fromEntries(chosen.map(([field, part]) => [field, right(roll, part, field, known)]));
    }
    case "array": {
      const least = schema.minItems ?? 0;
      const count = least + roll.below(Math.min(3, (schema.maxItems ?? 3) - least + 1));
      return Array.from({ length: count }, () => right(roll, schema.items ?? {}, name, known));
    }
    case "boolean":
      return roll.is(0.5);
    case "integer":
    case "number":
      return roll.pick([0, 1, 2, 10, 100]);
    case "null":
      return null;
    default:
      return text(roll, schema, name, known);
  }
}

/** A right value with one thing wrong somewhere in it. */
function almost(roll: Chance, schema: Schema, known: Known): unknown {
  const value = right(roll, schema, "", known);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return roll.pick(hostileValues);
  const fields = Object.entries(value);
  const name = fields.length === 0 ? "x" : roll.pick(fields)[0];
  const { [name]: removed, ...others } = value as Record<string, unknown>;
  switch (roll.below(6)) {
    case 0:
      return others;
    case 1:
      return { ...value, unknown: 1 };
    case 2:
      return { ...value, [name]: [removed] };
    case 3: {
      const inner = schema.properties?.[name];
      return { ...value, [name]: inner?.type === "object" ? almost(roll, inner, known) : roll.pick(hostileTexts) };
    }
    case 4:
      return { ...value, [name]: typeof removed === "string" ? removed + "x".repeat(roll.below(3_000)) : "1" };
    default:
      return { ...value, [name]: roll.pick(hostileValues) };
  }
}

function hostileBody(roll: Chance, schema: Schema | undefined, known: Known): string | Uint8Array {
  const whole = JSON.stringify(schema === undefined ? {} : right(roll, schema, "", known));
  switch (roll.below(9)) {
    case 0:
      return whole.slice(0, roll.below(whole.length + 1));
    case 1:
      return Buffer.from([...Buffer.from(whole.slice(0, -1)), 0xff, 0xfe, 0x7d]);
    case 2:
      return "[".repeat(20_000);
    case 3:
      return `{"__proto__":{"role":"operator"},${whole.slice(1)}`;
    case 4:
      return `${whole}${whole}`;
    case 5:
      return "x".repeat(70_000);
    case 6:
      return JSON.stringify(roll.pick(hostileValues));
    case 7:
      return new URLSearchParams({ a: "b", address: roll.pick(hostileTexts).toWellFormed() }).toString();
    default:
      return `{${Array.from({ length: 2_000 }, (_, i) => `"a${i}":${i}`).join(",")}}`;
  }
}

const hostileHeaders: readonly Readonly<Record<string, string>>[] = [
  { origin: "https://elsewhere.example" },
  { "sec-fetch-site": "cross-site" },
  { "content-type": "text/plain" },
  { "content-type": "application/json; charset=utf-16" },
  { "content-type": "multipart/form-data; boundary=x" },
  { "x-forwarded-for": "1.2.3.4, ::1", "x-forwarded-host": "elsewhere.example", forwarded: "for=1.2.3.4" },
  { "accept-language": "de;q=9,,*;q=0,\u00e9" },
  { accept: "text/html" },
  { range: "bytes=9999999999-1,0-,-5" },
  { "if-none-match": '"'.repeat(500) },
  { "x-http-method-override": "DELETE" },
];

/** The request with a number: the same for the same seed, number and known things. */
export function fuzzRequest(seed: number, number: number, operations: readonly Operation[], known: Known): FuzzRequest {
  const roll = chance(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  const operation = roll.pick(operations);
  const manner = roll.pick(["right", "right", "right", "almost", "almost", "hostile"] as const);
  const credential = roll.pick(weighted);
  const { template, method, parameters, body: schema } = operation;
  const inPath = (name: string): string => {
    if (manner !== "right" && roll.is(0.4)) {
      return encodeURIComponent(roll.pick(hostileTexts).toWellFormed()).slice(0, 6_000) || "%ff";
    }
    if (name === "grant") return roll.pick(known.grants);
    if (name === "*") return roll.pick(["master.m3u8", "video/index.m3u8", "video/0.m4s", "../../x", "audio/1/0.m4s"]);
    return roll.pick(known.ids);
  };
  let path = template.replaceAll(/\{([^}]+)\}/g, (_whole, name: string) => inPath(name));
  const query = parameters.filter(({ in: where }) => where === "query" && roll.is(0.5));
  const asked = query.map(({ name, schema: part = {} }) => {
    const value = manner === "right" ? right(roll, part, name, known) : roll.pick(hostileTexts).toWellFormed();
    return `${name}=${encodeURIComponent(String(value))}`;
  });
  if (manner === "hostile" && roll.is(0.3)) asked.push(roll.pick(["a=1&a=2", "%ff", "%", "x[y]=1", "=&&=", "q=%00"]));
  if (asked.length > 0) path += `?${asked.join("&")}`;
  const isSafe = method === "GET" || method === "HEAD";
  const body =
    isSafe || (schema === undefined && manner !== "hostile")
      ? undefined
      : manner === "right"
        ? JSON.stringify(safely(template, right(roll, schema ?? {}, "", known), roll))
        : manner === "almost"
          ? JSON.stringify(almost(roll, schema ?? {}, known))
          : hostileBody(roll, schema, known);
  if (operation.isPage === true && typeof body === "string" && manner !== "hostile") {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    return { operation, manner, credential, method, path, headers, body: formOf(body) };
  }
  const type = body === undefined ? {} : { "content-type": "application/json" };
  const headers = manner === "hostile" ? { ...type, ...roll.pick(hostileHeaders) } : type;
  return { operation, manner, credential, method, path, headers, body };
}

function formOf(json: string): string {
  const value: unknown = JSON.parse(json);
  const fields = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return new URLSearchParams(
    fields.map(([name, field]): [string, string] => [
      name,
      (typeof field === "string" ? field : JSON.stringify(field)).toWellFormed(),
    ]),
  ).toString();
}

/** A containment that is carried out ends every session; mostly only what it would do is asked for. */
function safely(template: string, body: unknown, roll: Chance): unknown {
  if (!template.endsWith("/contain") || roll.is(0.1)) return body;
  return { ...(body as object), dryRun: true };
}
