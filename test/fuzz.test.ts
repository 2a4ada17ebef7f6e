import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Compile } from "typebox/compile";
import type { TSchema } from "typebox";
import { browserCookie, sessionCookie } from "../src/http/cookies.ts";
import { sleep } from "../src/kernel/clock.ts";
import { Problem } from "../src/wire/common.ts";
import {
  fuzzRequest,
  operationsOf,
  pageOperations,
  type FuzzRequest,
  type Known,
  type Operation,
} from "./fuzz-requests.ts";
import { openHeap, type Held } from "./heap.ts";
import { eventually, runningService, type RunningService } from "./running-service.ts";
import { processesOf } from "./service-processes.ts";

/**
 * Every route of `/openapi.json`, every plain page and every form of it on the real process, with every kind of credential:
 * whatever is sent, the answer is one that the document declares, never a failure of ours, and nothing of it stays in memory.
 *
 * FUZZ_REQUESTS says how many (`npm run fuzz`: 50,000), FUZZ_SEED repeats a run, FUZZ_FIRST begins at a number of it.
 */
const seed = Number(process.env["FUZZ_SEED"] ?? randomInt(2 ** 31));
const count = Number(process.env["FUZZ_REQUESTS"] ?? 5_000);
const first = Number(process.env["FUZZ_FIRST"] ?? 0);
const lanes = 6;
/** Far beyond what a request takes on a busy machine; an answer later than this is a hang. */
const patienceMs = 60_000;

const password = "seven lanterns over the harbour";
let service: RunningService;

beforeAll(async () => {
  const settings = { LOG_LEVEL: "warn", HASH_THREADS: "2", NODE_OPTIONS: "--inspect-port=0" };
  service = await runningService(settings, async (libraryDir) => {
    await mkdir(libraryDir, { recursive: true });
    const source = ["-f", "lavfi", "-i", "testsrc2=size=128x72:rate=12:duration=6"];
    const codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "12"];
    await promisify(execFile)("ffmpeg", ["-v", "error", ...source, ...codec, join(libraryDir, "Steady (2020).mp4")]);
  });
}, 120_000);
afterAll(() => service?.remove(), 60_000);

/** Credentials that are renewed whenever what was sent has ended them. */
interface Hands {
  cookie: string;
  bearer: string;
  operator: string;
  ticket: string;
  ended: string;
  known: Known;
}

let people = 0;
const codeIn = (letter: string | undefined): string | undefined =>
  /\b([BCDFGHJKLMNPQRSTVWXZ]{5}-[BCDFGHJKLMNPQRSTVWXZ]{5})\b/.exec(letter ?? "")?.[1];

async function operatorCookie(): Promise<string> {
  const printed = service.operatorLink();
  for (const secret of [printed, undefined]) {
    const made = secret ?? (await service.command("operator", "link")).out.match(/#([A-Za-z0-9_-]{43})/)?.[1];
    const opened = await service.api("POST", "/api/operator-sessions", { body: { secret: made } });
    if (opened.cookie !== undefined) return opened.cookie;
  }
  throw new Error("no operator");
}

const works = async (cookie: string): Promise<boolean> =>
  (await service.api("GET", "/api/session", { cookie })).status === 200;

/** Somebody new, signed in twice: in a browser and with a program. */
async function viewer(operator: string): Promise<{ address: string; cookie: string; bearer: string }> {
  const address = `fuzz-${++people}@some.example.org`;
  const jar = new Map<string, string>();
  const asked = await service.api("POST", "/api/accounts", { body: { address, password }, jar });
  expect(asked.status, asked.text).toBe(202);
  const code = await eventually("the code", async () => {
    const { body } = await service.api("GET", "/api/mailbox", { cookie: operator });
    const letters = (body["letters"] ?? []) as { readonly to: string; readonly text: string }[];
    return codeIn(letters.find(({ to }) => to === address)?.text);
  });
  const confirmed = await service.api("POST", "/api/accounts/confirm", { body: { code }, jar });
  expect(confirmed.status, confirmed.text).toBe(201);
  const cookie = (await service.api("POST", "/api/sessions", { body: { address, password } })).cookie ?? "";
  const program = { address, password, token: true, class: "tool" };
  const bearer = String((await service.api("POST", "/api/sessions", { body: program })).body["token"]);
  return { address, cookie, bearer };
}

async function hands(before: Hands | undefined): Promise<Hands> {
  const runs = async (cookie: string): Promise<boolean> =>
    (await service.api("GET", "/api/operators", { cookie })).status === 200;
  // A session may live on while its account has been made a viewer again.
  const operator = before !== undefined && (await runs(before.operator)) ? before.operator : await operatorCookie();
  const alive = before !== undefined && (await works(before.cookie)) && operator === before.operator;
  if (before !== undefined && alive) return before;
  const ending = await viewer(operator);
  await service.api("DELETE", "/api/sessions?except=current", { cookie: ending.cookie });
  const { address, cookie, bearer } = await viewer(operator);
  const titles = await eventually("the film", async () => {
    const { body } = await service.api("GET", "/api/titles", { cookie });
    const [title] = (body["titles"] ?? []) as { readonly id: string }[];
    return title === undefined ? undefined : title.id;
  });
  const jar = new Map<string, string>();
  await service.api("POST", "/api/renewals", { body: { address }, jar });
  const granted = await service.api("POST", `/api/titles/${titles}/grants`, { cookie });
  const grant = /\/media\/([A-Za-z0-9_-]+)\//.exec(granted.text)?.[1] ?? "A".repeat(180);
  const opened = await service.api("POST", "/api/incidents", { cookie: operator, body: { reason: "fuzz" } });
  const incidents = [...opened.text.matchAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g)].map(([id]) => id);
  const session = (await service.api("GET", "/api/session", { cookie })).body;
  return {
    cookie,
    bearer,
    operator,
    ticket: jar.get(browserCookie) ?? "",
    ended: ending.bearer,
    known: {
      addresses: [address, ending.address, "nobody@some.example.org", "not an address", "ÄÖ@exämple.org"],
      passwords: [password, password, "wrong words, same length here!!", "short", "p".repeat(1_024)],
      ids: [
        titles,
        ...incidents,
        String(session["accountId"]),
        String(session["sessionId"]),
        "00000000-0000-7000-8000-000000000000",
      ],
      grants: [grant, grant.slice(0, -1), `${grant.slice(0, -4)}AAAA`],
      codes: ["BCDFG-HJKLM", "BCDF-GHJK", "000000", "bcdfghjkl"],
    },
  };
}

function credentialHeaders(request: FuzzRequest, { cookie, bearer, operator, ticket, ended }: Hands) {
  switch (request.credential) {
    case "none":
      return {};
    case "viewer cookie":
      return { cookie: `${sessionCookie}=${cookie}` };
    case "viewer bearer":
      return { authorization: `Bearer ${bearer}` };
    case "operator cookie":
      return { cookie: `${sessionCookie}=${operator}` };
    case "ticket":
      return { cookie: `${sessionCookie}=${cookie}; ${browserCookie}=${ticket}` };
    case "ended":
      return { authorization: `Bearer ${ended}` };
    case "garbage cookie":
      return { cookie: `${sessionCookie}=${"A".repeat(86)}; ${browserCookie}=%ff` };
    case "garbage bearer":
      return { authorization: "Bearer ../../\t=" };
  }
}

const isProblem = Compile(Problem);
const compiled = new Map<object, { Check(value: unknown): boolean }>();
function meets(schema: object, value: unknown): boolean {
  const known = compiled.get(schema) ?? Compile(schema as TSchema);
  compiled.set(schema, known);
  return known.Check(value);
}

const showsTheInside = / {4}at |node_modules|\.ts:\d|\bselect .+ from\b/;

/** A page, a way to another, or why not; a failure never. */
function wrongWithPage(answer: Response, text: string): string | undefined {
  if (showsTheInside.test(text)) return "shows the inside";
  if (answer.status >= 500 && answer.status !== 503) return "is a failure";
  if (answer.status >= 300 && answer.status < 400) {
    const to = answer.headers.get("location") ?? "";
    return /^\/(?!\/)/.test(to) ? undefined : "leads elsewhere";
  }
  const type = answer.headers.get("content-type") ?? "";
  return /^(text\/html|application\/problem\+json)/.test(type) ? undefined : "is no page";
}

/** What is wrong with an answer, or `undefined`. */
function wrongWith(operation: Operation, answer: Response, text: string): string | undefined {
  if (operation.isPage === true) return wrongWithPage(answer, text);
  if (showsTheInside.test(text)) return "shows the inside";
  const type = answer.headers.get("content-type") ?? "";
  if (answer.status >= 500) {
    if (answer.status !== 503) return "is a failure";
    return answer.headers.get("retry-after") === null ? "is a 503 that does not say when to come back" : undefined;
  }
  if (type.startsWith("application/problem+json")) {
    const problem: unknown = JSON.parse(text);
    return isProblem.Check(problem) && problem.status === answer.status ? undefined : "is no problem as documented";
  }
  const declared = operation.responses[String(answer.status)];
  if (answer.status < 300 && declared === undefined) return "has a status that is not declared";
  const schema = declared?.content?.["application/json"]?.schema;
  if (schema === undefined) return undefined;
  if (!type.startsWith("application/json")) return "is not the declared type";
  return meets(schema, JSON.parse(text)) ? undefined : "does not meet its schema";
}

async function send(number: number, request: FuzzRequest, held: Hands): Promise<{ status: number; wrong?: string }> {
  const { operation, manner, method, path, headers, body } = request;
  const where = `${number} (${manner}, ${request.credential}) ${method} ${path.slice(0, 200)} ${String(body ?? "").slice(0, 300)}`;
  try {
    const answer = await fetch(`${service.origin}${path}`, {
      method,
      redirect: "manual",
      headers: { ...headers, ...credentialHeaders(request, held) },
      signal: AbortSignal.timeout(patienceMs),
      ...(body === undefined ? {} : { body }),
    });
    const text = isStream(answer) ? await beginningOf(answer) : await answer.text();
    const wrong = isStream(answer) ? undefined : wrongWith(operation, answer, text);
    return {
      status: answer.status,
      ...(wrong === undefined ? {} : { wrong: `${wrong}: ${answer.status} ${where}\n${text.slice(0, 300)}` }),
    };
  } catch (thrown) {
    // The server may refuse a large body while it is being sent, and close.
    if (typeof body !== "string" || body.length < 60_000)
      return { status: 0, wrong: `no answer: ${where}: ${String(thrown)}` };
    return { status: 0 };
  }
}

const isStream = (answer: Response): boolean =>
  answer.headers.get("content-type")?.startsWith("text/event-stream") === true;

/** A stream of events never ends: it is hung up on after what comes first. */
async function beginningOf(answer: Response): Promise<string> {
  const reader = answer.body?.getReader();
  const first = await Promise.race([reader?.read(), sleep(20)]);
  await reader?.cancel();
  return first === undefined ? "" : Buffer.from(first.value ?? []).toString("utf8");
}

/** The plain pages there are: those that the first ones lead to, and theirs. */
async function pages(): Promise<Operation[]> {
  const found = new Map<string, Operation>();
  const queue = ["/sign-in", "/sign-up", "/renew", "/not-me", "/notice", "/link"];
  for (const path of queue) {
    const answer = await fetch(`${service.origin}${path}`, { redirect: "manual" });
    const html = await answer.text();
    if (answer.headers.get("content-type")?.startsWith("text/html") !== true || html.includes('id="root"')) continue;
    for (const one of pageOperations(path, html)) found.set(`${one.method} ${one.template}`, one);
    for (const [, to = ""] of html.matchAll(/(?:href|action)="(\/[a-z/-]+)"/g)) if (!queue.includes(to)) queue.push(to);
  }
  return [...found.values()];
}

test(
  `${count} requests, seed ${seed}`,
  async () => {
    process.stdout.write(`fuzz: FUZZ_SEED=${seed} FUZZ_REQUESTS=${count} FUZZ_FIRST=${first}\n`);
    const { body } = await service.api("GET", "/openapi.json");
    const operations = [...operationsOf(body), ...(await pages())];
    expect(operations.length).toBeGreaterThan(40);
    expect(operations.filter(({ isPage }) => isPage === true).length).toBeGreaterThan(8);
    const heap = await openHeap(service);
    const webBefore = (await processesOf(service))?.web;
    let held = await hands(undefined);
    const wrong: string[] = [];
    const statuses = new Map<number, number>();
    const reached = new Map<string, Set<number>>();
    let warm: Held | undefined;
    const measured = async (sent: number): Promise<Held> => {
      const held = await heap.held();
      const figures = Object.entries(held).map(([name, mebibytes]) => `${name} ${mebibytes.toFixed(1)} MiB`);
      process.stdout.write(`fuzz: after ${sent} requests and a collection: ${figures.join(", ")}\n`);
      return held;
    };
    const batch = 100;
    for (let done = 0; done < count && wrong.length < 20; done += batch) {
      held = await hands(held);
      let next = done;
      const end = Math.min(done + batch, count);
      const lane = async (): Promise<void> => {
        while (next < end) {
          const number = first + next++;
          const request = fuzzRequest(seed, number, operations, held.known);
          const answer = await send(number, request, held);
          statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
          const key = `${request.operation.method} ${request.operation.template}`;
          reached.set(key, (reached.get(key) ?? new Set()).add(Math.floor(answer.status / 100)));
          if (answer.wrong !== undefined) wrong.push(answer.wrong);
        }
      };
      await Promise.all(Array.from({ length: lanes }, lane));
      // Half of a short run and the first 5,000 of a long one fill caches, pools and compiled code.
      if (warm === undefined && end >= Math.min(count / 2, 5_000)) warm = await measured(end);
      else if (end % 10_000 === 0 && end < count) await measured(end);
    }
    expect(wrong).toEqual([]);
    // The same process all the way: none was ended and started again.
    expect((await processesOf(service))?.web).toBe(webBefore);
    if (count >= 5_000) {
      // Each operation was reached, and most by a request that did what it asks for.
      expect(operations.filter(({ method, template }) => !reached.has(`${method} ${template}`))).toEqual([]);
      const succeeded = [...reached.values()].filter((classes) => classes.has(2)).length;
      expect(succeeded).toBeGreaterThan(operations.length * 0.5);
      const end = await measured(count);
      process.stdout.write(`fuzz: ${JSON.stringify(Object.fromEntries(statuses))}\n`);
      // A leak of 400 bytes a request would be 17 MiB over the 45,000 after warming up.
      expect(end.heapUsed + end.external - (warm?.heapUsed ?? 0) - (warm?.external ?? 0)).toBeLessThan(16);
      // Who is refused at the door says nothing of what is behind it.
      expect((statuses.get(401) ?? 0) / count).toBeLessThan(0.35);
    }
    heap.close();
    expect(service.output()).not.toMatch(/unexpected error|unhandled|    at /i);
  },
  Math.max(600_000, count * 120),
);
