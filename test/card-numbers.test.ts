import { execFile } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { newLog } from "../src/kernel/log.ts";
import { addReceiver, tokenText } from "../src/signals/receivers.ts";
import { limits } from "../src/wire/common.ts";
import { copyOf, findIn } from "./copy-search.ts";
import { asCookie, goodPassword, testService } from "./service.ts";

/**
 * Payment data is never here: a card number in any text that could be stored is refused, whichever route and field it
 * came by. The fields are found in the route table, so that a new one is tried the day it is added.
 */
const service = await testService();
const card = "4111 1111 1111 1111";

interface Part {
  readonly type?: string;
  readonly format?: string;
  readonly pattern?: string;
  readonly const?: unknown;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly properties?: Readonly<Record<string, Part>>;
  readonly required?: readonly string[];
  readonly items?: Part;
  readonly minItems?: number;
  readonly anyOf?: readonly Part[];
}

/** Something that a schema takes. */
function plausible(part: Part): unknown {
  const { type, format, pattern, const: only, minLength = 1, properties, anyOf, items, minItems = 0 } = part;
  if (only !== undefined) return only;
  if (anyOf !== undefined) return plausible(anyOf[0] ?? {});
  if (properties !== undefined) {
    return Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, plausible(field)]));
  }
  if (type === "array") return Array.from({ length: minItems }, () => plausible(items ?? {}));
  if (type === "boolean") return false;
  if (type === "integer" || type === "number") return 1;
  if (type === "null") return null;
  if (type === "object") return {};
  if (format === "password") return goodPassword;
  if (pattern?.includes("T(") === true) return "2026-11-22T20:00:00.000Z";
  if (pattern?.includes("{12}$") === true) return "00000000-0000-7000-8000-000000000000";
  if (pattern?.includes("{80}") === true) return `${"x".repeat(43)}.${"x".repeat(80)}`;
  return "x".repeat(Math.max(minLength, pattern?.includes("{43}") === true ? 43 : 5));
}

interface Place {
  readonly path: readonly (string | number)[];
  readonly part: Part;
}

/** Every text in a body, however deep, with what describes it. */
function textsOf(part: Part, path: readonly (string | number)[] = []): Place[] {
  if (part.anyOf !== undefined) return part.anyOf.flatMap((one) => textsOf(one, path));
  if (part.properties !== undefined) {
    return Object.entries(part.properties).flatMap(([name, field]) => textsOf(field, [...path, name]));
  }
  if (part.items !== undefined) return textsOf(part.items, [...path, 0]);
  return part.type === "string" && part.const === undefined ? [{ path, part }] : [];
}

/** A body that is right, but for one place. */
function bodyWith(schema: Part, path: readonly (string | number)[], value: string): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return value;
  const branch = schema.anyOf?.find(({ properties, items }) =>
    typeof first === "number" ? items !== undefined : properties?.[first] !== undefined,
  );
  const part = branch ?? schema;
  if (typeof first === "number") return [bodyWith(part.items ?? {}, rest, value)];
  const whole = plausible(part) as Record<string, unknown>;
  return { ...whole, [first]: bodyWith(part.properties?.[first] ?? {}, rest, value) };
}

const isFree = ({ path, part }: Place): boolean =>
  part.format !== "password" && part.pattern === undefined && path.length > 0;
const holdsCard = ({ part }: Place): boolean => (part.maxLength ?? Number.POSITIVE_INFINITY) >= card.length;

const withBody = service.web.app.routeTable.filter(({ body }) => body !== undefined);
const isForm = (url: string): boolean => !/^\/(?:api|oauth|signals)\//.test(url);

/** Who may say something: an operator, and a relying service, which has a token of its own. */
interface Speakers {
  readonly cookie: string;
  readonly token: string;
}
const by = await speakers();

async function speakers(): Promise<Speakers> {
  const { db, clock, random, keyholders } = service.ground;
  const order = { name: "Music", audience: "https://music.example", addressesBecause: null, pushOrigin: null };
  const added = await addReceiver(
    { db, clock, random, keyholder: keyholders.operator },
    { ...order, privateNetwork: false, by: "test" },
  );
  if (added === undefined) throw new Error("not added");
  return { cookie: await service.operator(), token: tokenText(added.token) };
}

async function send(method: string, url: string, body: unknown, { cookie, token }: Speakers) {
  const path = url.replaceAll(/:[a-zA-Z]+/g, "00000000-0000-7000-8000-000000000000");
  if (url.startsWith("/signals/")) return service.call(method as "POST", path, { body, bearer: token });
  if (!isForm(url)) return service.call(method as "POST", path, { body, cookies: asCookie(cookie) });
  const response = await service.web.app.inject({
    method: method as "POST",
    url: path,
    cookies: asCookie(cookie),
    headers: { "content-type": "application/x-www-form-urlencoded" },
    payload: new URLSearchParams(body as Record<string, string>).toString(),
  });
  return { status: response.statusCode, text: response.body, body: {} as Record<string, unknown> };
}

test("a card number in any free text of any route is refused by field and rule, never quoted, and nothing of it is stored", async () => {
  const tried = { receiver: 0, others: 0 };
  for (const { method, url, body, access } of withBody) {
    for (const place of textsOf(body as Part).filter((one) => isFree(one) && holdsCard(one))) {
      const where = `${method} ${url} ${place.path.join(".")}`;
      const padded = (text: string): string => text.padEnd(place.part.minLength ?? 0, " .");
      const answer = await send(method, url, bodyWith(body as Part, place.path, padded(card)), by);
      expect([where, answer.status, answer.text]).toEqual([where, 400, answer.text]);
      if (isForm(url)) expect([where, answer.text]).toEqual([where, expect.stringContaining("payment card number")]);
      else {
        expect([where, answer.body["code"]]).toEqual([where, "card-number"]);
        const field = `body.${place.path.join(".")}`;
        expect([where, answer.body["fields"]]).toEqual([where, [{ field, rule: "holds no payment card number" }]]);
      }
      expect([where, answer.text.includes("4111")]).toEqual([where, false]);
      // Without the card the same request gets further.
      const other = await send(method, url, bodyWith(body as Part, place.path, padded("4111 1111 1111 1112")), by);
      expect([where, other.body["code"]]).not.toEqual([where, "card-number"]);
      tried[access === "receiver" ? "receiver" : "others"]++;
    }
  }
  expect(tried.receiver).toBeGreaterThan(5);
  expect(tried.others).toBeGreaterThan(20);
  // What a browser says of itself is stored in our own words only.
  const headers = { "user-agent": `Firefox/1 ${card}`, "accept-language": card };
  const address = "somebody@example.org";
  await service.account(address, goodPassword);
  const signedIn = await service.call("POST", "/api/sessions", { body: { address, password: goodPassword }, headers });
  expect(signedIn.status).toBe(201);
  await service.call("GET", `/api/titles?q=${encodeURIComponent(card)}`, { cookies: asCookie(by.cookie) });
  const sought = [card, card.replaceAll(" ", "")].map((value) => ({ what: "the card number", value }));
  expect(findIn(await copyOf(service.ground.db), sought)).toEqual([]);
}, 60_000);

test("what cannot be shown as it is typed is refused in any free text of any route, by field and rule, and never sent back", async () => {
  let tried = 0;
  for (const { method, url, body } of withBody) {
    for (const place of textsOf(body as Part).filter(isFree)) {
      const where = `${method} ${url} ${place.path.join(".")}`;
      const padded = (text: string): string => text.padEnd(place.part.minLength ?? 0, "x");
      const ofLines = place.part.format === "lines";
      for (const text of ["a\u001b[2Jb", "a\u202eb", ...(ofLines ? [] : ["a\nb"])]) {
        const answer = await send(method, url, bodyWith(body as Part, place.path, padded(text)), by);
        expect([where, text, answer.status, answer.text]).toEqual([where, text, 400, answer.text]);
        expect([where, answer.text.includes(text)]).toEqual([where, false]);
        if (isForm(url)) expect([where, answer.text]).toEqual([where, expect.stringContaining("control characters")]);
        else {
          const field = `body.${place.path.join(".")}`;
          const told = [answer.body["code"], answer.body["fields"]];
          expect([where, told]).toEqual([where, ["text-refused", [{ field, rule: "holds no control characters" }]]]);
        }
        tried++;
      }
      // Letters of any script, and lines where there may be some, get further.
      const other = await send(
        method,
        url,
        bodyWith(body as Part, place.path, padded(ofLines ? "ab\r\n\tc" : "أب é 👩‍👧")),
        by,
      );
      expect([where, other.body["code"]]).not.toEqual([where, "text-refused"]);
    }
  }
  expect(tried).toBeGreaterThan(100);
}, 60_000);

test("passwords are not looked at: every password field, and no other, is described as one", async () => {
  const texts = withBody.flatMap(({ method, url, body }) =>
    textsOf(body as Part).map(({ path, part }) => ({ where: `${method} ${url} ${path.join(".")}`, path, part })),
  );
  for (const { where, path, part } of texts) {
    const isPassword = /password$/i.test(String(path.at(-1)));
    expect([where, part.format === "password"]).toEqual([where, isPassword]);
  }
  const password = `${card} on a longer sentence`;
  expect(password.length).toBeLessThan(limits.passwordLength);
  const signUp = { address: "card.password@example.org", password };
  expect((await service.call("POST", "/api/accounts", { body: signUp })).status).toBe(202);
});

test("a command refuses one before it does anything", async () => {
  const words = ["incident", "open", "--reason", `a copy with ${card} was offered`];
  const ran = await new Promise<{ code: unknown; err: string }>((resolve) => {
    execFile(process.execPath, [join(import.meta.dirname, "../src/cli.ts"), ...words], (error, _out, err) =>
      resolve({ code: error?.code, err }),
    );
  });
  expect(ran.code).toBe(2);
  expect(ran.err).toMatch(/^error: a payment card number does not belong here\n/);
  expect(ran.err).not.toContain("4111");
}, 30_000);

test("logs mask one, wherever in a line it stands", () => {
  const chunks: string[] = [];
  const log = newLog("test", "info", { write: (line) => void chunks.push(line) });
  log.info({ reason: `no row for ${card}`, err: new Error(`bad 5555-5555-5555-4444`) }, "378282246310005 failed");
  const line = chunks.join("");
  expect(line).not.toMatch(/4111|5555-|3782822/);
  expect(line.match(/\[card number\]/g)?.length).toBeGreaterThanOrEqual(3);
  expect(() => JSON.parse(line) as unknown).not.toThrow();
});
