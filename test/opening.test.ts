import { execFile, spawn, type ChildProcess } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sessionCookie } from "../src/http/cookies.ts";
import { parseConfig } from "../src/config/config.ts";
import { freePort } from "../src/incidents/drill/free-port.ts";
import { debianProgram, pathOf } from "./debian-program.ts";
import { eventually, runningService, type RunningService } from "./running-service.ts";

/** The files of `docs/runbook/host` do what the page says of them: settings, unit, and nginx in front of the real service. */
const run = promisify(execFile);
const host = join(import.meta.dirname, "..", "docs", "runbook", "host");
const read = (name: string): Promise<string> => readFile(join(host, name), "utf8");
const folder = await mkdtemp(join(tmpdir(), "houselights-opening-"));
const name = "films.example.org";
const nginx = await debianProgram("nginx", folder);

let service: RunningService;
let proxy: ChildProcess | undefined;
let httpsPort = 0;

beforeAll(async () => {
  // As the sample's, but for the relay.
  service = await runningService({ PUBLIC_ORIGIN: `https://${name}`, TRUST_PROXY: "1" }, async (libraryDir) => {
    await mkdir(libraryDir);
    await writeFile(join(libraryDir, "readme.txt"), "not a film");
  });
  if (nginx !== undefined) await startNginx(nginx);
}, 120_000);

afterAll(async () => {
  if (proxy !== undefined) {
    const ended = new Promise((resolve) => proxy?.once("exit", resolve));
    proxy.kill("SIGTERM");
    await ended;
  }
  await service.remove();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function startNginx(program: string): Promise<void> {
  const [key, certificate, log] = ["key.pem", "certificate.pem", "access.log"].map((file) => join(folder, file));
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const made = ["-keyout", `${key}`, "-out", `${certificate}`];
  await run("openssl", ["req", "-x509", ...curve, "-subj", `/CN=${name}`, "-days", "2", ...made]);
  const [httpPort, tlsPort] = [await freePort(), await freePort()];
  httpsPort = tlsPort;
  const changes: readonly (readonly [string, string])[] = [
    ["listen      80;", `listen 127.0.0.1:${httpPort};`],
    ["listen      443 ssl", `listen 127.0.0.1:${tlsPort} ssl`],
    [`/etc/letsencrypt/live/${name}/fullchain.pem`, `${certificate}`],
    [`/etc/letsencrypt/live/${name}/privkey.pem`, `${key}`],
    ["/var/log/nginx/houselights.log", `${log}`],
    ["127.0.0.1:8400", `127.0.0.1:${new URL(service.origin).port}`],
  ];
  let site = await read("nginx.conf");
  for (const [from, to] of changes) {
    expect(site.split(from)).toHaveLength(2);
    site = site.replace(from, to);
  }
  await writeFile(join(folder, "site.conf"), site);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  // Its workers are another user than root's.
  await chmod(folder, 0o755);
  const whole = `daemon off; pid ${folder}/pid; error_log ${folder}/errors warn; worker_processes 1;
events { worker_connections 256; }
http { access_log off; ${temporary.join(" ")} include ${folder}/site.conf; }
`;
  await writeFile(join(folder, "nginx.conf"), whole);
  const started = spawn(program, ["-p", folder, "-e", `${folder}/errors`, "-c", join(folder, "nginx.conf")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  proxy = started;
  await eventually("nginx", async () => {
    if (started.exitCode !== null) throw new Error(`nginx ended with ${started.exitCode}`);
    return ask("GET", "/healthz").then(
      ({ statusCode }) => (statusCode === 200 ? true : undefined),
      () => undefined,
    );
  });
}

/** Through nginx, as a browser would that believes its certificate. */
const ask = (
  method: string,
  path: string,
  { headers = {}, body }: { readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown } = {},
): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const type = text === undefined ? {} : { "content-type": "application/json" };
    const asked = request(
      {
        host: "127.0.0.1",
        port: httpsPort,
        servername: name,
        rejectUnauthorized: false,
        method,
        path,
        headers: { host: name, origin: `https://${name}`, ...type, ...headers },
        agent: false,
      },
      resolve,
    );
    asked.once("error", reject);
    asked.end(text);
  });

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of answer) text += String(chunk);
  return text;
}

async function sampleSettings(): Promise<Record<string, string>> {
  const lines = (await read("houselights.env")).split("\n").filter((line) => /^\w+=/.test(line));
  return Object.fromEntries(
    lines.map((line): [string, string] => {
      const [, setting = "", value = ""] = /^(\w+)=(.*)$/.exec(line) ?? [];
      return [setting, value.replace(/^"(.*)"$/, "$1")];
    }),
  );
}

test("the sample of the settings is taken as it is", async () => {
  const settings = await sampleSettings();
  expect(Object.keys(settings).length).toBeGreaterThan(8);
  const config = parseConfig(settings, "/");
  expect(config).toMatchObject({ publicOrigin: `https://${name}`, serviceName: "House of Films", trustProxy: 1 });
  expect(config.smtpUrl).not.toBeNull();
});

const assignments = (text: string): Map<string, string[]> => {
  const found = new Map<string, string[]>();
  for (const [, key = "", value = ""] of text.matchAll(/^(\w+)=(.*)$/gm))
    found.set(key, [...(found.get(key) ?? []), value]);
  return found;
};

test("the units are such that systemd reads without a word", async (context) => {
  const verified = async (text: string) => {
    const unit = join(folder, "houselights.service");
    await writeFile(unit, text);
    return run("systemd-analyze", ["verify", unit]).then(
      ({ stderr }) => stderr,
      (thrown: Error & { code?: unknown; stderr?: string }) =>
        thrown.code === "ENOENT" ? undefined : `${thrown.message}${thrown.stderr ?? ""}`,
    );
  };
  const unit = (await read("houselights.service")).replace(
    "ExecStart=/opt/houselights/houselights",
    "ExecStart=/bin/true",
  );
  const said = await verified(unit);
  if (said === undefined) return context.skip();
  expect(said).toBe("");
  expect(await verified(`${unit}\n${await read("tls.conf")}`)).toBe("");
  expect(await verified(unit.replace("KillMode=mixed", "KillMood=mixed"))).toContain("KillMood");
});

test("the unit lets the service do what it does, and stop in order", async () => {
  const unit = assignments(await read("houselights.service"));
  const settings = assignments(await read("houselights.env"));
  const [user] = unit.get("User") ?? [];
  expect(settings.get("DATA_DIR")).toEqual([`/var/lib/${unit.get("StateDirectory")?.[0]}`]);
  expect(unit.get("KillMode")).toEqual(["mixed"]);
  // One child that the kernel ends is no reason to end the others.
  expect(unit.get("OOMPolicy")).toEqual(["continue"]);
  const ms = async (file: string, name: string): Promise<number> => {
    const source = await readFile(join(host, "../../..", file), "utf8");
    const [, number = "", unit_] = new RegExp(`const ${name} = ([\\d_]+)( \\* secondMs)?;`).exec(source) ?? [];
    expect([file, name, number]).not.toContain("");
    return Number(number.replaceAll("_", "")) * (unit_ === undefined ? 1 : 1_000);
  };
  // PostgreSQL is asked, told, and ended.
  const longest =
    2 * (await ms("src/processes.ts", "stopWithinMs")) +
    (await ms("src/keyholder/supervise.ts", "stopWaitMs")) +
    (await ms("src/db/embedded.ts", "stopLimitMs")) +
    10_000;
  expect(longest).toBeGreaterThan(60_000);
  expect(Number(unit.get("TimeoutStopSec")?.[0]) * 1_000).toBeGreaterThan(longest);
  // V8 writes what it executes, Node reads /proc/meminfo, `ulimit` is a resource, and only root's processes give files away.
  expect([...unit.keys()]).not.toEqual(expect.arrayContaining(["MemoryDenyWriteExecute"]));
  expect([...unit.keys()]).not.toEqual(expect.arrayContaining(["ProcSubset"]));
  expect(unit.get("SystemCallFilter")).toEqual(["@system-service", "~@privileged"]);
  expect(unit.get("SystemCallErrorNumber")).toEqual(["EPERM"]);
  expect(unit.get("RestrictAddressFamilies")?.[0]?.split(" ")).toEqual(
    expect.arrayContaining(["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"]),
  );

  // The page makes what they name.
  const page = await readFile(join(host, "../opening.md"), "utf8");
  expect(page).toMatch(new RegExp(`^useradd .* ${user}$`, "m"));
  expect(page).toMatch(new RegExp(`^mkdir ${settings.get("LIBRARY_DIR")?.[0]}$`, "m"));
  expect(page).toContain(`houselights.env ${unit.get("EnvironmentFile")?.[0]}\n`);
  for (const file of await readdir(host)) expect(page).toContain(file);
});

test("with its own certificate the service is given what commands are given, and the rest by the unit", async () => {
  const tls = assignments(await read("tls.conf"));
  const given = (tls.get("Environment")?.[0] ?? "").replaceAll("%d", "/run/credentials/houselights.service");
  const served = Object.fromEntries(given.split(" ").map((one) => one.split("=") as [string, string]));
  const sample = Object.entries(await sampleSettings()).filter(([setting]) => setting !== "TRUST_PROXY");
  const commands = Object.fromEntries(sample);
  expect(parseConfig({ ...commands, ...served }, "/")).toMatchObject({ host: "::", port: 443, trustProxy: false });
  expect(parseConfig(commands, "/").publicOrigin).toBe(`https://${name}`);
  // Without the certificate, as commands would be that read them too.
  expect(() => parseConfig({ ...commands, HOST: "::", PORT: "443" }, "/")).toThrow(/HOST/);
});

const isRoot = process.getuid?.() === 0 && (await pathOf("runuser")) !== undefined;

test.runIf(isRoot)(
  "the command wrapper reads what systemd reads, gives commands as the service's user, and says who may",
  async () => {
    const place = await mkdtemp(join(folder, "wrapper-"));
    const [program, settings, wrapper] = ["program", "settings", "wrapper"].map((file) => join(place, file));
    await writeFile(program!, `#!/bin/sh\necho "$(id -un) $PWD $*"\nenv\n`, { mode: 0o755 });
    const text = (await read("houselights-command.sh"))
      .replaceAll("/etc/houselights/houselights.env", settings!)
      .replaceAll("/var/lib/houselights", place)
      .replaceAll("/opt/houselights/houselights", program!)
      .replaceAll(/-un? houselights\b/g, (found) => found.replace("houselights", "nobody"));
    await writeFile(wrapper!, text, { mode: 0o755 });
    await writeFile(settings!, await read("houselights.env"));
    for (const one of [folder, place]) await chmod(one, 0o755);
    const as = (user: string, ...words: string[]) =>
      (user === "root" ? run(wrapper!, words) : run("runuser", ["-u", user, "--", wrapper!, ...words])).then(
        ({ stdout }) => ({ code: 0, out: stdout, err: "" }),
        (thrown: { code: number; stdout: string; stderr: string }) => ({
          code: thrown.code,
          out: thrown.stdout,
          err: thrown.stderr,
        }),
      );
    for (const user of ["root", "nobody"]) {
      const { out, err } = await as(user, "incident", "status");
      expect([err, out.split("\n")[0]]).toEqual(["", `nobody ${place} incident status`]);
      for (const [setting, value] of Object.entries(await sampleSettings())) {
        expect(out.split("\n")).toContain(`${setting}=${value}`);
      }
    }
    const refused = {
      code: 1,
      out: "",
      err: expect.stringMatching(/^error: .*daemon\nhint: sudo houselights x y\n$/) as unknown,
    };
    expect(await as("daemon", "x", "y")).toEqual(refused);
    await chmod(settings!, 0o640);
    expect(await as("daemon", "x", "y")).toEqual(refused);
  },
);

test("a service that others reach says that it has no relay, and keeps its letters back", async () => {
  expect(service.output()).toMatch(/mailbox {3}none, and no relay: set SMTP_URL/);
  expect(service.output()).toContain("there is no relay (SMTP_URL)");
  expect((await service.command("incident", "contain", "--yes", "--reason", "a rehearsal")).code).toBe(0);
  const plan = await service.command("incident", "notify", "--plan");
  expect(plan.out).toMatch(/BAD +there is no relay/);
  const started = await service.command("incident", "notify", "--yes");
  expect([started.code, started.err]).toEqual([1, expect.stringContaining("SMTP_URL")]);
});

test("behind nginx the service knows who asks, whatever they say of themselves", async (context) => {
  if (nginx === undefined) return context.skip();
  const marks = async (): Promise<string[]> =>
    [...service.output().matchAll(/"from":"([^"]+)"[^\n]*"msg":"sign-in"/g)].map(([, mark = ""]) => mark);
  const tryFrom = async (
    address: string,
    send: (headers: Record<string, string>, body: object) => Promise<unknown>,
  ) => {
    const before = (await marks()).length;
    await send(
      { "x-forwarded-for": address },
      { address: "nobody@example.org", password: "not a password of anybody" },
    );
    return eventually("the line of the log", async () => (await marks())[before]);
  };
  const direct = (headers: Record<string, string>, body: object) =>
    fetch(`${service.origin}/api/sessions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  const through = async (headers: Record<string, string>, body: object) =>
    textOf(await ask("POST", "/api/sessions", { headers, body }));
  expect(await tryFrom("203.0.113.7", direct)).not.toBe(await tryFrom("198.51.100.9", direct));
  expect(await tryFrom("203.0.113.7", through)).toBe(await tryFrom("198.51.100.9", through));
});

test("behind nginx events come as they happen, and a grant stays out of its log", async (context) => {
  if (nginx === undefined) return context.skip();
  const secret = /operate#(\S+)/.exec((await service.command("operator", "link")).out)?.[1];
  const opened = await ask("POST", "/api/operator-sessions", { body: { secret } });
  expect(opened.statusCode, await textOf(opened)).toBe(201);
  const cookie = (opened.headers["set-cookie"] ?? []).find((one) => one.startsWith(sessionCookie))?.split(";")[0] ?? "";
  const events = await ask("GET", "/api/events", { headers: { cookie } });
  expect(events.statusCode).toBe(200);
  // Held back, nothing would come before some kilobytes are full.
  const first = await new Promise<string>((resolve) => events.once("data", (chunk) => resolve(String(chunk))));
  expect(first.length).toBeGreaterThan(0);
  events.destroy();

  const media = await ask("GET", "/media/the-grant-of-somebody/0.m4s");
  expect(media.statusCode).toBeGreaterThanOrEqual(400);
  expect((await ask("GET", "/healthz?last")).statusCode).toBe(200);
  const log = await eventually("the access log", async () => {
    const text = await readFile(join(folder, "access.log"), "utf8");
    return text.includes("/healthz?last") ? text : undefined;
  });
  expect(log).toContain("/api/operator-sessions");
  expect(log).not.toContain("the-grant-of-somebody");
});
