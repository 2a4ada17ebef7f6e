import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadCommands } from "../src/commands/all.ts";
import { usageOf, usageOfSeveral } from "../src/commands/command.ts";
import { runningService, type RunningService } from "./running-service.ts";

let service: RunningService;
beforeAll(async () => {
  service = await runningService({}, async (libraryDir) => {
    // No film, and yet not empty: nothing is drawn, which is not what this is about.
    await mkdir(libraryDir, { recursive: true });
    await writeFile(join(libraryDir, "Heat (1995).mp4"), "not a film");
  });
});
afterAll(() => service.remove());

test("help has examples on every level: of all, of a noun, of a verb", async () => {
  const commands = await loadCommands();
  const nouns = [...new Set(commands.map(({ words }) => words[0] ?? ""))];
  for (const noun of nouns) {
    const verbs = await loadCommands(noun);
    const text = usageOfSeveral(verbs);
    for (const { words } of verbs) expect(text).toMatch(new RegExp(`examples:[^]*houselights ${words.join(" ")}`));
    expect(usageOfSeveral(commands)).toMatch(new RegExp(`examples:[^]*(houselights|=\\S+ houselights) ${noun}`));
  }
  for (const command of commands) expect(usageOf(command)).toMatch(/examples:\n {2}.*houselights /);
  expect((await service.command("--help")).out).toContain("examples:\n  houselights serve");
  expect((await service.command("incident", "--help")).out).toContain("\n  houselights incident contain --reason ");
});

test("nobody is removed from the operators before they were named and somebody said yes", async () => {
  await service.operatorCookie();
  const list = async () =>
    JSON.parse((await service.command("operator", "list", "--json")).out) as { accountId: string }[];
  const [first] = await list();
  const asked = await service.command("operator", "remove", first?.accountId ?? "");
  expect(asked).toMatchObject({ code: 1, err: "error: nobody was removed\nhint: --yes removes without asking\n" });
  expect(asked.out).toContain(first?.accountId);
  const sure = await service.command("operator", "remove", first?.accountId ?? "", "--yes");
  expect(sure).toMatchObject({ code: 1, err: expect.stringContaining("the last operator cannot be removed") });
  expect(await list()).toHaveLength(1);
});

test("a relying service is shown before it is removed", async () => {
  await service.command("signals", "add", "--name", "Music", "--audience", "https://music.example");
  const asked = await service.command("signals", "remove", "--name", "Music");
  expect(asked).toMatchObject({ code: 1, out: expect.stringMatching(/^Music {2}[0-9a-f-]{36}\n {2}token good until/) });
  expect(await service.command("signals", "remove", "--name", "Music", "--yes")).toMatchObject({ code: 0 });
});

test("with --json nothing but JSON is on standard output, whatever is asked or said meanwhile", async () => {
  const dry = await service.command("incident", "contain", "--dry-run", "--reason", "a rehearsal", "--json");
  expect(JSON.parse(dry.out)).toMatchObject({ kind: "would-contain" });
  const asked = await service.command("incident", "contain", "--reason", "a rehearsal", "--json");
  expect(asked).toMatchObject({ code: 1, out: "", err: expect.stringContaining("would contain, epoch") });
  expect(await service.command("incident", "contain", "--yes", "--reason", "x", "--json")).toMatchObject({ code: 0 });
  const plan = await service.command("incident", "notify", "--plan", "--json");
  expect(JSON.parse(plan.out)).toMatchObject({ plan: { inScope: 1 } });
});

test("when the copy was taken can be said and taken back by amend, and only a word that says so takes it back", async () => {
  const copiedAt = async (): Promise<unknown> =>
    JSON.parse((await service.command("incident", "status", "--json")).out).copiedAt;
  const said = await service.command("incident", "amend", "--copied-at", "2026-01-02T03:04:05Z");
  expect(said).toMatchObject({ code: 0, out: expect.stringContaining("houselights incident contain") });
  expect(await copiedAt()).toBe("2026-01-02T03:04:05.000Z");
  expect(await service.command("incident", "amend", "--copied-at", "")).toMatchObject({ code: 2 });
  expect(await copiedAt()).toBe("2026-01-02T03:04:05.000Z");
  expect(await service.command("incident", "amend", "--copied-at", "unknown")).toMatchObject({ code: 0 });
  expect(await copiedAt()).toBeNull();
});
