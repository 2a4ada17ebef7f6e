import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadCommands } from "../src/commands/all.ts";
import { usageOf, usageOfSeveral } from "../src/commands/command.ts";
import { signUpByMail } from "./running-mailbox.ts";
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

test("a relying service is shown before it is removed, or its token replaced", async () => {
  await service.command("signals", "add", "--name", "Music", "--audience", "https://music.example");
  const asked = await service.command("signals", "remove", "--name", "Music");
  expect(asked).toMatchObject({ code: 1, out: expect.stringMatching(/^Music {2}[0-9a-f-]{36}\n {2}token good until/) });
  const token = await service.command("signals", "token", "--name", "Music");
  expect(token).toMatchObject({ code: 1, out: expect.stringMatching(/^Music {2}[0-9a-f-]{36}\n {2}token good until/) });
  expect(token.err).toContain("no token was made");
  const made = await service.command("signals", "token", "--name", "Music", "--yes");
  expect(made).toMatchObject({ code: 0, out: expect.stringMatching(/^token +\S{20}/) });
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

test("what would be put in place of what is said before a restore is asked about, and nothing is touched", async () => {
  const backup = join(service.folder, "asked.backup");
  const keys = join(service.folder, "asked.keys");
  expect(await service.command("backup", backup, "--keys", keys)).toMatchObject({ code: 0 });
  const asked = await service.command("restore", backup, "--keys", keys);
  expect(asked).toMatchObject({ code: 1, err: expect.stringContaining("nothing was touched") });
  expect(asked.out).toMatch(/^database +the backup made 20\d\d-.* UTC: \d+ tables, [\d,]+ bytes\n/);
  expect(asked.out).toMatch(/\nkeys +\S*asked\.keys comes to /);
  const none = await service.command("restore", keys);
  expect(none).toMatchObject({ code: 1, out: "", err: expect.stringContaining("error: not a backup") });
});

test("which keys would be destroyed, and which stay and why, is said before it is asked", async () => {
  expect(await service.command("keys", "retire")).toMatchObject({ code: 0, out: "there is no old key\n" });
  expect(await service.command("keys", "rotate", "--purpose", "sign.grant", "--yes")).toMatchObject({ code: 0 });
  expect(await service.command("keys", "rotate", "--purpose", "code.sign-up", "--yes")).toMatchObject({ code: 0 });
  const asked = await service.command("keys", "retire");
  expect(asked).toMatchObject({ code: 1, err: expect.stringContaining("nothing was retired") });
  expect(asked.out).toMatch(/^sign\.grant 1: stays, needed by grants that are good until/m);
  expect(asked.out).toMatch(/^code\.sign-up 1: nothing needs it; it would be destroyed$/m);
});

test("a restore that revives no password says so", async () => {
  const backup = join(service.folder, "contained.backup");
  const restored = async (): Promise<string> => {
    const { code, out } = await service.command("restore", backup, "--yes");
    expect(code).toBe(0);
    return out;
  };
  await signUpByMail(service, "eve@example.org", "seven green lanterns at dusk");
  expect(await service.command("backup", backup)).toMatchObject({ code: 0 });
  expect(await restored()).toContain("passwords changed since the backup are the old ones again");
  expect(await service.command("incident", "contain", "--yes", "--reason", "x")).toMatchObject({ code: 0 });
  expect(await restored()).toContain("and so is every password of it: everybody renews theirs");
});
