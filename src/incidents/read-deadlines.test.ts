import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { messageOf } from "../kernel/fault.ts";
import { containedCase } from "../../test/contained-case.ts";
import { asCookie, testService } from "../../test/service.ts";
import { hourMs, manualClock, systemClock } from "../kernel/clock.ts";
import { testDatabase } from "../db/test-database.ts";
import { systemRandom } from "../kernel/random.ts";
import { deadlineRules } from "./deadlines.ts";
import { planLines } from "./plan-lines.ts";
import { planCampaign } from "./plan.ts";
import { readDeadlines } from "./read-deadlines.ts";
import { incidentStatus } from "./status.ts";

const folder = await mkdtemp(join(tmpdir(), "houselights-deadlines-"));
afterAll(() => rm(folder, { recursive: true }));

const page = await readFile(join(import.meta.dirname, "../../docs/design/deadlines.md"), "utf8");
const [, example = ""] = /```json\n([^]*?)```/.exec(page) ?? [];
const [first, second] = JSON.parse(example) as [Record<string, unknown>, Record<string, unknown>];

async function read(text: string) {
  const path = join(folder, "deadlines.json");
  await writeFile(path, text);
  return readDeadlines(path);
}

test("the file that the page shows is read, and its rules stand beside the others in status and plan", async () => {
  const rules = await read(example);
  expect(rules.slice(deadlineRules.length)).toMatchObject([
    { rule: "my-authority", withinMs: 24 * hourMs },
    { rule: "my-people", withinMs: null },
  ]);
  const db = await testDatabase();
  const clock = manualClock(systemClock.now());
  const incidentId = await containedCase({ db, clock, random: systemRandom });
  const status = await incidentStatus({ db, clock, deadlines: rules }, incidentId);
  expect(status?.deadlines).toContainEqual({
    rule: "my-authority",
    title: "Exampleland: tell the authority within 24 hours",
    dueAt: new Date(clock.now() + 24 * hourMs).toISOString(),
    state: "running",
    source: "Data Act, section 12",
  });
  expect(status?.deadlines).toContainEqual(expect.objectContaining({ rule: "my-people", dueAt: null }));
  const way = { leavesBy: "relay", contact: null, allowance: null, price: null } as const;
  const plan = await planCampaign({ db, clock, deadlines: rules, ...way }, incidentId);
  const lines = planLines(plan!).join("\n");
  expect(lines).toContain("Exampleland: tell the authority");
  expect(lines).toContain("no fixed time         not known     Exampleland: tell people as soon as possible");
});

const ours = join(folder, "ours.json");
await writeFile(ours, example);
const service = await testService({ settings: { DEADLINES: ours } });

test("console, plan and report of a service show them", async () => {
  const cookies = asCookie(await service.operator());
  const opened = await service.call("POST", "/api/incidents", { body: { reason: "a copy is for sale" }, cookies });
  const url = `/api/incidents/${String(opened.body["id"])}`;
  const title = "Exampleland: tell people as soon as possible";
  expect((await service.call("GET", url, { cookies })).text).toContain(title);
  const plan = await service.call("POST", `${url}/notify`, { body: { action: "plan" }, cookies });
  expect(plan.text).toContain(title);
  const report = await service.call("GET", `${url}/report`, { cookies });
  expect(report.text).toContain(title);
  expect(report.text).toContain("Data Act, section 13");
});

test("without a file those of this version count", async () => {
  expect(await readDeadlines(null)).toBe(deadlineRules);
});

test.each([
  ["no JSON", "hunter2", "DEADLINES: the file is not JSON"],
  ["no list", `{ "hunter2": 1 }`, "DEADLINES: the file must be array"],
  ["a field that is missing", [{ ...first, source: undefined }], "DEADLINES: 0 must have required properties source"],
  ["a field that nobody knows", [first, { ...second, hunter2: 1 }], "DEADLINES: 1 has no unknown fields"],
  ["no time", [{ ...first, withinHours: 0 }], "DEADLINES: 0.withinHours must be >= 1"],
  ["days in words", [{ ...first, withinHours: "hunter2" }], "DEADLINES: 0.withinHours must be integer"],
  [
    "somebody else to tell",
    [{ ...first, whom: "hunter2" }],
    "DEADLINES: 0.whom must be equal to one of the allowed values",
  ],
  ["a name of ours", [{ ...first, rule: "gdpr-33" }], "DEADLINES: 0.rule is a name that no other rule has"],
  ["a name twice", [first, first], "DEADLINES: 0.rule is a name that no other rule has"],
  ["what cannot be shown", [{ ...first, title: "hunter2\u202e" }], "DEADLINES: 0.title holds no control characters"],
  ["too much", [{ ...first, title: "x".repeat(70_000) }], "DEADLINES: the file cannot be read (more than 65536 bytes)"],
])("refused with the field and its rule, and no value: %s", async (_what, content, words) => {
  const text = typeof content === "string" ? content : JSON.stringify(content);
  const said = await read(text).catch(messageOf);
  expect(said).toBe(words);
  expect(said).not.toContain("hunter2");
  // The same file as it should be.
  expect(await read(JSON.stringify([first, second]))).toHaveLength(deadlineRules.length + 2);
});

test("a file that is not there is said so", async () => {
  const nowhere = join(folder, "nowhere.json");
  expect(await readDeadlines(nowhere).catch(messageOf)).toContain("DEADLINES: the file cannot be read");
});
