import { globSync, readFileSync, statSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadCommands } from "../src/commands/all.ts";
import { blocksOf, linkLauncher, runScript } from "./documents.ts";
import { runningService, type RunningService } from "./running-service.ts";

/** Every command in the README works as it stands there; the tour is taken in a real service. */
const root = join(import.meta.dirname, "..");
const textOf = (file: string): string => readFileSync(join(root, file), "utf8");
const readme = textOf("README.md");
let service: RunningService;

beforeAll(async () => {
  // A library that holds something is left alone: no films are drawn while other tests run.
  service = await runningService({}, async (libraryDir) => {
    await mkdir(libraryDir);
    await writeFile(join(libraryDir, "readme.txt"), "not a film");
  });
  await linkLauncher(service.folder);
}, 600_000);

afterAll(() => service?.remove(), 60_000);

test("the service prints the three addresses", () => {
  const { origin } = service;
  expect(service.output()).toContain(`  watch     ${origin}/\n`);
  expect(service.output()).toMatch(new RegExp(`  operate   ${origin}/operate#[A-Za-z0-9_-]{43}\n`));
  expect(service.output()).toContain(`  mailbox   ${origin}/mailbox\n`);
});

/**
 * What is run elsewhere, and where. Neither is typed here: both install packages and build pages if those are stale,
 * which must not happen under running tests.
 */
const elsewhere: Readonly<Record<string, () => void>> = {
  "npm start": () => {
    // Script, launcher, program: the last step is what `runningService` has just done.
    expect(textOf("package.json")).toContain('"start": "bash ./houselights serve"');
    expect(textOf("houselights")).toMatch(
      /\n {2}serve\)\n(?: {4}.+\n)+? {4}exec "\$node" "\$root\/src\/cli\.ts" "\$@"\n/,
    );
    expect(service.output()).toContain("stop with Ctrl-C");
  },
  "npm test": () => expect(textOf(".ci/run")).toMatch(/^npm test /m),
};

/** What each command's answer must show, so that one that does nothing is noticed. */
const shows: Readonly<Record<string, RegExp>> = {
  "incident contain --dry-run": /^would contain, epoch \d+; nothing was touched$/m,
  "incident contain --yes": /^contained at .+, epoch \d+$/m,
  "operator link": /\/operate#[A-Za-z0-9_-]{43}$/m,
  "incident notify --yes": /^ {2}scope +1$/m,
  "incident report": /^written to report\.html at /m,
  "timeline verify": /^(intact|whole): [\d,]+ entries/m,
  "timeline export": /^[\d,]+ entries; [\d,]+ files written$/m,
  help: /^usage: houselights <command>/m,
  backup: /rows of \d+ tables/,
};

test("every command in the README works", async () => {
  // The link makes the first operator, who is the one account of this service.
  const used = await service.api("POST", "/api/operator-sessions", { body: { secret: service.operatorLink() } });
  expect(used.status, used.text).toBe(201);

  const { dataDir, libraryDir, origin } = service;
  const settings = { DATA_DIR: dataDir, LIBRARY_DIR: libraryDir, PORT: new URL(origin).port, HASH_THREADS: "1" };
  const blocks = blocksOf("README.md");
  expect(blocks.length).toBeGreaterThan(7);
  let said = "";
  for (const { script, line } of blocks) {
    const check = elsewhere[script];
    if (check !== undefined) {
      check();
      continue;
    }
    const ran = await runScript(script, service.folder, settings);
    expect([line, script, ran.err, ran.code]).toEqual([line, script, "", 0]);
    for (const [command, answer] of Object.entries(shows)) {
      if (script.includes(`./houselights ${command}`)) expect(ran.out).toMatch(answer);
    }
    said += ran.out;
  }
  for (const answer of Object.values(shows)) expect(said).toMatch(answer);
  expect(await readFile(join(service.folder, "report.html"), "utf8")).toContain("<h1");
}, 600_000);

const rows = (heading: string): string[][] => {
  const part = readme.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const cells = part.split("\n").filter((line) => line.startsWith("| `"));
  return cells.map((line) => line.split("|").map((cell) => cell.trim()));
};

test("the table of settings has every setting and no other", () => {
  const files = globSync("src/config/*.ts").filter((file) => !file.endsWith(".test.ts"));
  const config = files.map(textOf).join("\n");
  const read = new Set([...config.matchAll(/\(\s*"([A-Z][A-Z_]+)"/g)].map(([, name = ""]) => name));
  // The code of the fault that names bad settings looks like one of them.
  read.delete("CONFIG_INVALID");
  // The driver of PostgreSQL reads it by itself; the settings look where that leads.
  read.delete("PGHOST");
  const named = rows("Settings").flatMap(([, name = ""]) =>
    [...name.matchAll(/`([A-Z_]+)`/g)].map(([, one = ""]) => one),
  );
  expect(named.length).toBeGreaterThan(15);
  expect(named.toSorted()).toEqual([...read].toSorted());
  for (const [, name = "", usual = ""] of rows("Settings")) {
    const number = /^`(\d+)`$/.exec(usual)?.[1];
    if (number !== undefined) expect(config).toContain(`"${name.replaceAll("`", "")}", ${number},`);
  }
});

test("the table of commands says what `help` says, and each is found by its first word", async () => {
  const commands = await loadCommands();
  const documented = Object.fromEntries(
    rows("Commands").map(([, name = "", what]) => [name.replaceAll("`", ""), what]),
  );
  expect(documented).toEqual(Object.fromEntries(commands.map(({ words, summary }) => [words.join(" "), summary])));
  for (const command of commands) expect(await loadCommands(command.words[0])).toContain(command);
});

test("its pictures and pages are there", () => {
  const targets = [...readme.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, target]) => target ?? "");
  expect(targets.length).toBeGreaterThan(8);
  for (const target of targets) {
    const size = statSync(join(root, target)).size;
    if (target.includes("pictures/")) expect(size).toBeLessThan(300_000);
  }
});

test("a command that is tried here cannot install anything", async () => {
  const ran = await runScript("command -v npm; npm ci", service.folder, {});
  expect(ran.out).toBe(`${join(service.folder, "bin", "npm")}\n`);
  expect(ran.code).toBe(1);
});
