import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog } from "../src/kernel/log.ts";
import { Secret } from "../src/kernel/secret.ts";
import { connectKeyholder } from "../src/keyholder/client.ts";
import { socketPathFor } from "../src/keyholder/socket-path.ts";
import { startKeyholder, type SupervisedKeyholder } from "../src/keyholder/supervise.ts";
import type { KeyUse } from "../src/wire/key-use.ts";
import { eventually, runningService, type RunningService } from "./running-service.ts";
import { descendantsOf } from "./service-processes.ts";

/**
 * P10 on the service as it is installed: ordinary use of keys is announced, through kills of the processes that announce and of
 * the one that counts; a use behind the service's back rings, and is counted to the last call.
 */
let folder = "";
let keyholder: SupervisedKeyholder;
let service: RunningService;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "houselights-key-use-"));
  const keysDir = join(folder, "keys");
  const socketPath = await socketPathFor(keysDir);
  keyholder = await startKeyholder({ keysDir, socketPath, log: silentLog });
  const textOf = (secret: Secret): string => Buffer.from(secret.reveal()).toString("base64url");
  const credentials = Object.entries(keyholder.credentials).map(([role, secret]) => [role, textOf(secret)]);
  const file = join(folder, "credentials.json");
  await writeFile(file, JSON.stringify(Object.fromEntries(credentials)), { mode: 0o600 });
  const settings = { KEYHOLDER_URL: `unix:${socketPath}`, KEYHOLDER_CREDENTIALS: file };
  const library = async (libraryDir: string) => {
    await mkdir(libraryDir);
    await writeFile(join(libraryDir, "readme.txt"), "not a film");
  };
  service = await runningService(settings, library, { surplusIsMeant: true });
}, 180_000);
afterAll(async () => {
  await service?.remove();
  await keyholder?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function accounting(): Promise<Record<string, KeyUse["purposes"][number]>> {
  const { code, out, err } = await service.command("keys", "accounting", "--json");
  expect([code, err]).toEqual([0, ""]);
  const { purposes } = JSON.parse(out) as KeyUse;
  return Object.fromEntries(purposes.map((one) => [one.purpose, one]));
}
const surplusOf = (use: Record<string, KeyUse["purposes"][number]>): number =>
  Object.values(use).reduce((sum, { surplus }) => sum + surplus, 0);
interface Rung {
  readonly id: string;
  readonly kind: string;
  readonly facts: Record<string, unknown>;
  readonly times: number;
}
async function alarms(): Promise<readonly Rung[]> {
  const { status, text, body } = await service.api("GET", "/api/alarms", { cookie: await service.operatorCookie() });
  expect(status, text).toBe(200);
  return body["alarms"] as Rung[];
}

/** A sign-in with a wrong password costs the keyholder what a right one does. */
async function signsIn(times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    await eventually("an answer", async () => {
      const body = { address: `nobody-${n}@example.org`, password: "seven lanterns over the harbour" };
      const answer = await service.api("POST", "/api/sessions", { body }).catch(() => undefined);
      return answer === undefined || answer.status === 503 ? undefined : true;
    });
  }
}

async function killed(pattern: RegExp): Promise<void> {
  const child = (await descendantsOf(service.pid())).find(({ command }) => pattern.test(command));
  expect(child).toBeDefined();
  process.kill(child?.pid ?? 0, "SIGKILL");
}

test("kills of web, worker and keyholder are no surplus; seven calls with a stolen credential are seven, and the worker rings", async () => {
  await signsIn(4);
  await killed(/child\.ts web/);
  await signsIn(4);
  process.kill(keyholder.pid(), "SIGKILL");
  await signsIn(4);
  await killed(/child\.ts worker/);
  await signsIn(4);
  const ordinary = await accounting();
  expect(surplusOf(ordinary)).toBe(0);
  expect(ordinary["index"]?.served).toBeGreaterThan(0);
  expect(ordinary["index"]?.announced).toBe(ordinary["index"]?.served);
  expect(await alarms()).toEqual([]);

  const thief = await connectKeyholder({
    socketPath: keyholder.socketPath,
    role: "web",
    credential: keyholder.credentials.web,
    log: silentLog,
    waitMs: 10_000,
  });
  for (let n = 0; n < 6; n++) await thief.index("address", `guessed-${n}@example.org`);
  await thief.codeMac("renewal", Buffer.alloc(32), Secret.fromText("BCDF"));
  await thief.close();
  // Nobody gives a command: the worker compares every minute.
  const [alarm] = await eventually(
    "the alarm",
    async () => {
      const rung = await alarms();
      return rung.length === 0 ? undefined : rung;
    },
    180_000,
  );
  expect(alarm).toMatchObject({ kind: "key use", times: 1, facts: { roles: "web", callers: 1, index: 6, code: 1 } });
  const after = await accounting();
  expect([surplusOf(after), after["index"]?.surplus, after["code"]?.surplus]).toEqual([7, 6, 1]);
  expect((await alarms())[0]?.times).toBe(1);

  const opened = await service.command("incident", "open", "--alarm", String(alarm?.id));
  expect(opened).toMatchObject({ code: 0, err: "" });
  const report = join(folder, "report.html");
  expect(await service.command("incident", "report", "--output", report)).toMatchObject({ code: 0 });
  expect(await readFile(report, "utf8")).toContain("7 uses of keys had been announced by nobody");
}, 400_000);

test("days that are no number are refused", async () => {
  for (const days of ["0", "91", "1.5", "all"]) {
    expect(await service.command("keys", "accounting", "--days", days)).toMatchObject({ code: 2 });
  }
}, 60_000);
