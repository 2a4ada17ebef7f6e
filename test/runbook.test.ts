import { spawn } from "node:child_process";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { blocksOf, linkLauncher, runScript, type Block, type Ran } from "./documents.ts";
import { programEnvironment } from "./program-environment.ts";
import { codeTo, letterTo, signUpByMail } from "./running-mailbox.ts";
import { eventually, runningService, type ApiAnswer, type RunningService } from "./running-service.ts";

/** The runbook's commands, run in the order of its pages against a real service, with people who do their part. */
const root = join(import.meta.dirname, "..");
const oldPassword = "seven lanterns over the harbour";
const newPassword = "eleven boats went out at dawn";

const opened: RunningService[] = [];
afterEach(async () => {
  for (const service of opened.splice(0)) await service.remove();
}, 60_000);

interface Stage {
  readonly service: RunningService;
  readonly settings: Readonly<Record<string, string>>;
  /** What the comments before a block ask for. */
  readonly acts: Record<string, () => Promise<unknown>>;
  /** Looked at after the block that contains the key. */
  readonly after: Record<string, (ran: Ran) => Promise<void> | void>;
}

/** A service with nobody's library, which is left alone: no films are drawn while other tests run. */
async function setStage(): Promise<Stage> {
  const service = await runningService({}, async (libraryDir) => {
    await mkdir(libraryDir);
    await writeFile(join(libraryDir, "readme.txt"), "not a film");
  });
  opened.push(service);
  await linkLauncher(service.folder);
  const { dataDir, libraryDir, origin } = service;
  const settings = { DATA_DIR: dataDir, LIBRARY_DIR: libraryDir, PORT: new URL(origin).port, HASH_THREADS: "1" };
  return { service, settings, acts: {}, after: {} };
}

async function perform(page: string, stage: Stage): Promise<void> {
  const blocks = blocksOf(page);
  expect(blocks.length).toBeGreaterThan(1);
  const seen = new Set<string>();
  for (const block of blocks) {
    let expected = 0;
    let settings = stage.settings;
    for (const ask of block.asks) {
      if (ask === "ends with 1") expected = 1;
      else if (ask === "an empty machine")
        settings = { ...settings, DATA_DIR: join(stage.service.folder, "elsewhere") };
      else await (stage.acts[ask] ?? unknown(ask, block))();
    }
    const ran = await runScript(block.script, stage.service.folder, settings);
    const where = `${page}:${block.line}`;
    expect([where, ran.code, ran.code === expected ? "" : ran.err + ran.out]).toEqual([where, expected, ""]);
    for (const [part, look] of Object.entries(stage.after)) {
      if (!block.script.includes(part)) continue;
      seen.add(part);
      await look(ran);
    }
  }
  expect([...seen].toSorted()).toEqual(Object.keys(stage.after).toSorted());
}

function unknown(ask: string, { file, line }: Block): never {
  throw new Error(`${file}:${line} asks for "${ask}", which nobody does`);
}

const signUp = (service: RunningService, address: string): Promise<void> => signUpByMail(service, address, oldPassword);

async function renew(service: RunningService, address: string): Promise<void> {
  const jar = new Map<string, string>();
  expect((await service.api("POST", "/api/renewals", { body: { address }, jar })).status).toBe(202);
  const code = await codeTo(service, address, /new password|renew/i);
  const done = await service.api("POST", "/api/renewals/complete", { body: { code, password: newPassword }, jar });
  expect(done.status, done.text).toBe(200);
}

const signIn = (service: RunningService, address: string, password: string): Promise<ApiAnswer> =>
  service.api("POST", "/api/sessions", { body: { address, password } });

test("the day", async () => {
  const stage = await setStage();
  const { service, acts, after } = stage;
  const [ada, bashir] = ["ada@example.org", "bashir@example.org"];
  acts["ada has signed up"] = () => signUp(service, ada);
  acts["bashir has signed up"] = () => signUp(service, bashir);
  acts["ada and bashir renew"] = async () => {
    for (const address of [ada, bashir]) {
      await renew(service, address);
      expect((await signIn(service, address, newPassword)).status).toBe(201);
    }
  };
  acts["letters are out"] = async () => {
    const cookie = await service.operatorCookie();
    const list = await service.api("GET", "/api/incidents", { cookie });
    const [incident] = list.body["incidents"] as { id: string }[];
    await eventually("the last letter", async () => {
      const { body } = await service.api("GET", `/api/incidents/${incident?.id}`, { cookie });
      return (body["lettersFinishedAt"] as string | null | undefined) ?? undefined;
    });
  };
  after["contain --dry-run"] = async ({ out }) => {
    expect(out).toMatch(/refused from now on: 2 passwords/);
    expect((await signIn(service, ada, oldPassword)).status).toBe(201);
  };
  after["contain --yes"] = async ({ out }) => {
    expect(out).toMatch(/^contained at/);
    expect((await signIn(service, ada, oldPassword)).status).toBe(401);
  };
  after["operator keep"] = ({ out }) => {
    expect(out).toMatch(/NEW\n +does not count since a containment/);
    expect(out).toMatch(/^operator kept$/m);
  };
  after["end-tokens"] = ({ out }) => expect(out).toMatch(/^no token to end$/m);
  after["notify --plan"] = ({ out }) => {
    expect(out).toContain("3 accounts in scope: 2 with an address, 1 without");
    expect(out).toContain("What Happened");
    expect(out).toContain("the test letter is on its way");
  };
  after["notify --yes"] = ({ out }) => expect(out).toMatch(/^ {2}scope +3$/m);
  after["review lessons"] = ({ out }) => expect(out).toMatch(/^closed$/m);
  after["report --json"] = async () => {
    const report = await readFile(join(service.folder, "report.html"), "utf8");
    const json = JSON.parse(await readFile(join(service.folder, "report.json"), "utf8")) as Record<string, never>;
    expect(report).toContain("<h1");
    expect(json).toMatchObject({ letters: { sum: { scope: 3, waiting: 0 }, addsUp: true }, incident: { renewed: 2 } });
  };
  after["timeline verify"] = ({ out }) => expect(out).toMatch(/^intact: /m);
  await perform("docs/runbook/the-day.md", stage);
}, 600_000);

test("somebody writes", async () => {
  const stage = await setStage();
  const { service, acts, after } = stage;
  const [ada, bashir] = ["ada@example.org", "bashir@example.org"];
  acts["ada and bashir have signed up"] = async () => {
    for (const address of [ada, bashir]) {
      await signUp(service, address);
      expect((await signIn(service, address, oldPassword)).status).toBe(201);
    }
  };
  const read = async () => readFile(join(service.folder, "ada.json"), "utf8");
  after["account export"] = async () => {
    const exported = await read();
    expect(exported).toContain(ada);
    expect(exported).not.toContain(bashir);
    // What is there is not replaced.
    const again = await service.command("account", "export", ada, "--output", join(service.folder, "ada.json"));
    expect([again.code, again.err]).toEqual([1, expect.stringContaining("is there already")]);
    const nowhere = join(service.folder, "nowhere", "ada.json");
    const without = await service.command("account", "export", ada, "--output", nowhere);
    expect([without.code, without.err]).toEqual([1, expect.stringContaining("its folder is not there")]);
    expect(await read()).toBe(exported);
    // Nor is it said of either that there was another export.
    const elsewhere = join(service.folder, "ada-again.json");
    expect((await service.command("account", "export", ada, "--output", elsewhere)).code).toBe(0);
    const { events } = JSON.parse(await readFile(elsewhere, "utf8")) as { events: { kind: string }[] };
    expect(events.filter(({ kind }) => kind === "exported")).toHaveLength(1);
    const nobody = await service.command("account", "export", "nobody@example.org", "--output", "nobody.json");
    expect([nobody.code, nobody.err]).toEqual([1, expect.stringContaining("no account has this address")]);
  };
  after["account delete"] = async ({ code, err, out }) => {
    if (code === 1) {
      expect(err).toMatch(/account [0-9a-f-]{36} would be deleted/);
      expect((await signIn(service, bashir, oldPassword)).status).toBe(201);
      return;
    }
    expect(out).toMatch(/^deleted /);
    expect((await signIn(service, bashir, oldPassword)).status).toBe(401);
    expect((await signIn(service, ada, oldPassword)).status).toBe(201);
    await letterTo(service, bashir, /deleted/);
  };
  after["--to"] = ({ out }) => expect(out).toMatch(/^the new address can renew from /);
  after["--cancel"] = async ({ out }) => {
    expect(out).toContain("the recovery is ended");
    for (const address of [ada, "ada@new.example"])
      await letterTo(service, address, /recovery of your account was ended/);
  };
  await perform("docs/runbook/somebody-writes.md", stage);
}, 300_000);

test("restore", async () => {
  const stage = await setStage();
  const { service, acts, after } = stage;
  let cookie: string | undefined;
  const session = async () => (await service.api("GET", "/api/session", { cookie: cookie ?? "" })).status;
  acts["ada has signed up and in"] = async () => {
    await signUp(service, "ada@example.org");
    cookie = (await signIn(service, "ada@example.org", oldPassword)).cookie;
    expect(await session()).toBe(200);
  };
  acts["things happen"] = async () => {
    await signUp(service, "eve@example.org");
    const { out } = await service.command("timeline", "verify", "--json");
    const { size } = JSON.parse(out) as { size: number };
    await service.command("operator", "link");
    await eventually("what happened to be in the timeline", async () => {
      const now = JSON.parse((await service.command("timeline", "verify", "--json")).out) as { size: number };
      return now.size > size ? true : undefined;
    });
    expect(await session()).toBe(200);
  };
  acts["and the service is stopped"] = () => service.stop();
  acts["the service is started"] = () => service.start();
  after["restore monday.backup"] = ({ out }) => {
    expect(out).toMatch(/rows of \d+ tables restored/);
    // Nothing was contained since: what the backup has is good.
    expect(out).toContain("passwords changed since the backup are the old ones again");
  };
  after["timeline verify"] = async ({ out }) => {
    expect(out).toMatch(/^intact: /m);
    // The session was in the backup, and alive when the service stopped; the copy was noticed all the same.
    expect(await session()).toBe(401);
    expect((await signIn(service, "ada@example.org", oldPassword)).status).toBe(201);
    expect((await signIn(service, "eve@example.org", oldPassword)).status).toBe(401);
  };
  after["--exact-keys monday.exact --yes"] = ({ out }) => expect(out).toMatch(/rows of \d+ tables restored/);
  await perform("docs/runbook/restore.md", stage);

  // The machine that was empty opens what the first one sealed.
  await service.stop();
  const elsewhere = { ...stage.settings, DATA_DIR: join(service.folder, "elsewhere") };
  await runScript("./houselights operator add ada@example.org", service.folder, elsewhere);
  const list = await runScript("./houselights operator list", service.folder, elsewhere);
  expect(list.out).toContain("ada@example.org");
}, 600_000);

test("upgrade and keys", async () => {
  const stage = await setStage();
  const { service, acts, after } = stage;
  acts["the service runs"] = () => signUp(service, "ada@example.org");
  acts["the service is stopped and the keys are gone"] = async () => {
    await service.stop();
    await rename(join(service.dataDir, "keys"), join(service.folder, "lost-keys"));
  };
  after["restore --keys"] = async ({ out }) => {
    expect(out).toContain("keys restored");
    await service.start();
    expect((await signIn(service, "ada@example.org", oldPassword)).status).toBe(201);
  };
  await perform("docs/runbook/upgrade-and-keys.md", stage);
}, 600_000);

test("an alarm rings", async () => {
  const stage = await setStage();
  const { service, acts, after } = stage;
  acts["ada is an operator"] = async () => {
    await signUp(service, "ada@example.org");
    expect((await service.command("operator", "add", "ada@example.org")).code).toBe(0);
  };
  acts["ada has the letter"] = async () => {
    await letterTo(service, "ada@example.org", /A test of the alarm/);
  };
  after["canary ring"] = ({ out }) => expect(out).toMatch(/^rung$/m);
  after["incident open --alarm"] = ({ out }) => expect(out).toMatch(/^opened HL-/m);
  after["alarm list --json"] = ({ out }) => {
    expect(out).toMatch(/^acknowledged$/m);
    expect(out).toMatch(/"incidentId": "[0-9a-f-]{36}"/);
  };
  await perform("docs/runbook/an-alarm-rings.md", stage);
}, 600_000);

test("opening the house", async () => {
  const stage = await setStage();
  const { service, acts, after } = stage;
  acts["ada has signed up"] = () => signUp(service, "ada@example.org");
  after["mail dkim"] = ({ out }) => expect(out.match(/_domainkey\..* TXT "v=DKIM1/g)).toHaveLength(2);
  after["operator list"] = ({ out }) => {
    expect(out).toContain(`${service.origin}/operate#`);
    expect(out).toContain("ada@example.org");
  };
  after["timeline verify"] = async ({ out }) => {
    expect(out).toMatch(/^intact: /m);
    await letterTo(service, "ada@example.org", /A test of the alarm/);
  };
  await perform("docs/runbook/opening.md", stage);
}, 300_000);

test("a keyholder of its own serves a service, as the page says", async () => {
  const page = await readFile(join(root, "docs/runbook/upgrade-and-keys.md"), "utf8");
  expect(page).toContain("./houselights keyholder");
  const stage = await setStage();
  const { service, settings } = stage;
  await service.stop();
  const keyholder = spawn(process.execPath, [join(root, "src/cli.ts"), "keyholder"], {
    env: { ...programEnvironment, HOME: service.folder, ...settings },
  });
  let said = "";
  keyholder.stdout.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
  try {
    const told = await eventually("the keyholder", async () =>
      said.includes("KEYHOLDER_CREDENTIALS=") && said.endsWith("\n")
        ? Object.fromEntries([...said.matchAll(/^(KEYHOLDER_\w+)=(.+)$/gm)].map(([, name, value]) => [name, value]))
        : undefined,
    );
    const verified = await runScript("./houselights timeline verify", service.folder, { ...settings, ...told });
    expect(verified.err).toBe("");
    expect(verified.out).toMatch(/^intact: /);
  } finally {
    const ended = new Promise((resolve) => keyholder.once("close", resolve));
    keyholder.kill("SIGTERM");
    await ended;
  }
}, 120_000);

test("every page of the runbook is run here, and documents name files that exist", async () => {
  const pages = globSync("docs/runbook/*.md", { cwd: root }).map((page) => page.replaceAll("\\", "/"));
  expect(pages.toSorted()).toEqual([
    "docs/runbook/an-alarm-rings.md",
    "docs/runbook/opening.md",
    "docs/runbook/restore.md",
    "docs/runbook/somebody-writes.md",
    "docs/runbook/the-day.md",
    "docs/runbook/upgrade-and-keys.md",
  ]);
  const index = await readFile(join(root, "docs/decisions/README.md"), "utf8");
  const decisions = globSync("*.md", { cwd: join(root, "docs/decisions") }).filter((file) => file !== "README.md");
  expect(decisions.filter((file) => !index.includes(`(${file})`))).toEqual([]);
  const documents = globSync("{*.md,docs/**/*.md}", { cwd: root });
  expect(documents.length).toBeGreaterThan(15);
  const broken: string[] = [];
  for (const document of documents) {
    const text = await readFile(join(root, document), "utf8");
    const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, target = ""]) =>
      join(document, "..", target),
    );
    const named = [...text.matchAll(/`((?:src|test|docs|web|migrations)\/[\w./-]+\.\w+)`/g)].map(
      ([, name = ""]) => name,
    );
    broken.push(
      ...[...links, ...named].filter((path) => !existsSync(join(root, path))).map((path) => `${document}: ${path}`),
    );
  }
  expect(broken).toEqual([]);
});
