import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { expect, test } from "vitest";

/**
 * The folders in their order: each may import only the ones that stand above it, so the graph cannot contain a cycle.
 * Files directly in `src/` (main, child, app, cli and the commands) put the rooms together and are outside the order.
 */
const order = [
  "kernel",
  "wire",
  "config",
  "db",
  "keyholder",
  "http",
  "timeline",
  "jobs",
  "mail",
  "accounts",
  "signals",
  "credentials",
  "sessions",
  "links",
  "renewal",
  "rotation",
  "key-use",
  "incidents",
  "leaving",
  "canaries",
  "library",
  "streaming",
] as const;
type Folder = (typeof order)[number];

/** What the media rooms may know of accounts is nothing: every room but these, one that is added tomorrow too. */
const notOfAccounts: readonly Folder[] = [
  "kernel",
  "wire",
  "config",
  "db",
  "keyholder",
  "http",
  "jobs",
  "library",
  "streaming",
];
const accountRooms = order.filter((folder) => !notOfAccounts.includes(folder));

/** Narrower than the order: what a folder may not import although it stands above. */
const forbidden: Partial<Record<Folder, readonly string[]>> = {
  kernel: [...order],
  wire: [...order],
  config: ["wire"],
  db: ["wire", "config"],
  // They know no account module: a `Viewer` comes from `http/`, the check from `app.ts`.
  library: accountRooms,
  streaming: accountRooms,
};

const importSpecifier = /(?:from|import)\s*\(?\s*["'](\.[^"']+)["']/g;
const codeOf = (file: string): string => readFileSync(file, "utf8");
const isTest = (file: string): boolean => /\.test\.tsx?$|(^|\/)test-[a-z-]+\.ts$/.test(file);

function folderOf(path: string): string {
  const [top = "", second = "", third] = path.split(sep);
  if (top !== "src") return top;
  return third === undefined || second === "commands" ? "root" : second;
}

function importsOf(file: string): string[] {
  return [...codeOf(file).matchAll(importSpecifier)].map(([, specifier]) =>
    relative(".", join(dirname(file), specifier ?? "")),
  );
}

const sources = globSync("src/**/*.ts").filter((file) => !isTest(file));

test("every folder of src/ has its place in the order", () => {
  const folders = new Set(sources.map(folderOf).filter((folder) => folder !== "root"));
  expect([...folders].filter((folder) => !order.includes(folder as Folder))).toEqual([]);
});

test("a folder imports only folders that stand above it", () => {
  expect(sources.length).toBeGreaterThan(100);
  const broken: string[] = [];
  for (const file of sources) {
    const from = folderOf(file);
    if (from === "root") continue;
    for (const target of importsOf(file)) {
      const to = folderOf(target);
      if (to === from) continue;
      const isAbove = order.indexOf(to as Folder) >= 0 && order.indexOf(to as Folder) < order.indexOf(from as Folder);
      const isForbidden = forbidden[from as Folder]?.includes(to) ?? false;
      if (!isAbove || isForbidden) broken.push(`${file} -> ${target}`);
    }
  }
  expect(broken).toEqual([]);
});

test("the browser's code imports wire/ and nothing else of src/", () => {
  const files = globSync("web/**/*.{ts,tsx}").filter((file) => !file.startsWith(join("web", "dist")));
  expect(files.length).toBeGreaterThan(5);
  const broken = files.flatMap((file) =>
    importsOf(file)
      .filter((target) => target.startsWith(`src${sep}`) && folderOf(target) !== "wire")
      .map((target) => `${file} -> ${target}`),
  );
  expect(broken).toEqual([]);
});

test("no drawers, no barrels", () => {
  const paths = globSync("{src,web}/**/*").filter((file) => !file.startsWith(join("web", "dist")));
  expect(paths.filter((path) => /(^|\/)(utils?|helpers?|common|services?|managers?)(\/|$)/.test(path))).toEqual([]);
  const reexports = sources.filter((file) => /^export (\*|\{[^}]*\}) from /m.test(codeOf(file)));
  expect(reexports).toEqual([]);
});

test("nothing evaluates text, asks a shell or takes its chance from Math.random, and no source imports what is there for tests", () => {
  const own = [...sources, ...globSync("web/**/*.{ts,tsx}").filter((file) => !file.startsWith(join("web", "dist")))];
  const careless = /\beval\(|new Function\(|\bshell: true|\b(?:execSync|spawnSync)\(|Math\.random\(/;
  expect(own.filter((file) => careless.test(codeOf(file)))).toEqual([]);
  // In `src/` a test stands beside what it tests; `web/dev` is the pretended API of the browser's tests.
  const forTests = (target: string): boolean => isTest(target) || /^(test|bench)[/\\]/.test(target);
  const broken = sources.flatMap((file) =>
    importsOf(file)
      .filter(forTests)
      .map((target) => `${file} -> ${target}`),
  );
  expect(broken).toEqual([]);
});

test("a regular expression is a literal, or made of constants of its own file", () => {
  const making = sources.filter((file) => /\bRegExp\(/.test(codeOf(file))).toSorted();
  // A file that is added here has been read: nothing that was sent is part of its pattern.
  const read = [
    "kernel/random.ts",
    "mail/address.ts",
    "mail/templates.ts",
    "renewal/lobby/place.ts",
    "streaming/grants.ts",
  ];
  expect(making).toEqual(read.map((file) => join("src", file)));
});

test("bytes are compared by equalBytes, whose time says nothing of them, but where they are public", () => {
  const mayCompare = ["timeline", "library", join("credentials", "breached"), "db"].map((room) => join("src", room));
  const comparing = sources.filter((file) => /\.equals\(|timingSafeEqual\(/.test(codeOf(file)));
  const broken = comparing.filter((file) => !mayCompare.some((room) => file.startsWith(room)));
  expect(broken).toEqual([join("src", "kernel", "secret.ts")]);
});

test("the environment is read in config/ alone", () => {
  const readers = sources.filter((file) => /process\.env\b/.test(codeOf(file)) && folderOf(file) !== "config");
  expect(readers).toEqual([]);
});

/** A table has one owner, named first, which alone writes it. Who else reads it (a check or a report in one statement) follows. */
const owners: Readonly<Record<string, readonly string[]>> = {
  instance: ["db", "credentials", "sessions", "incidents"],
  migration: ["db"],
  account: ["accounts", "signals", "credentials", "sessions", "links", "renewal", "incidents", "leaving", "canaries"],
  sign_up: ["credentials"],
  address_claim: ["credentials"],
  removed_address: ["accounts"],
  security_event: ["accounts"],
  account_change: ["credentials"],
  password: ["credentials", "incidents"],
  refused_password: ["credentials"],
  added_since: ["credentials"],
  passkey: ["credentials", "incidents"],
  passkey_way: ["credentials"],
  passkey_challenge: ["credentials"],
  account_address: ["accounts", "credentials", "incidents"],
  address: ["accounts", "credentials"],
  floor: ["credentials", "accounts", "sessions", "links", "renewal", "incidents", "canaries"],
  totp: ["credentials", "incidents"],
  recovery_code: ["credentials", "incidents"],
  operator_link: ["sessions"],
  sign_in_step: ["sessions"],
  session: ["sessions", "incidents"],
  refusal_count: ["sessions"],
  link: ["links", "incidents"],
  ticket: ["renewal", "incidents"],
  recovery: ["renewal"],
  lobby: ["renewal"],
  lobby_entry: ["renewal"],
  lobby_network: ["renewal"],
  lobby_minute: ["renewal"],
  key_version: ["rotation"],
  key_file: ["rotation"],
  key_rewrap: ["rotation"],
  address_bounce: ["incidents"],
  bounce_report: ["incidents"],
  campaign: ["incidents", "rotation"],
  campaign_shard: ["incidents"],
  campaign_survey: ["incidents"],
  key_caller: ["key-use"],
  key_ledger: ["key-use"],
  key_use: ["key-use"],
  key_surplus: ["key-use"],
  letter: ["incidents", "canaries"],
  incident: ["incidents", "canaries", "rotation"],
  incident_review: ["incidents"],
  notice: ["incidents"],
  alarm: ["canaries"],
  canary: ["canaries"],
  sign_in_window: ["canaries"],
  throttle: ["http"],
  known_network: ["http"],
  signal: ["signals"],
  signal_receiver: ["signals"],
  signal_stream: ["signals"],
  signal_delivery: ["signals"],
  signal_subject: ["signals"],
  signal_fan_out: ["signals"],
  signal_fan_out_stream: ["signals"],
  timeline_entry: ["timeline", "incidents"],
  timeline_node: ["timeline"],
  timeline_checkpoint: ["timeline", "incidents"],
  timeline_witness: ["timeline"],
  timeline_cosignature: ["timeline"],
  mailbox_letter: ["mail"],
  title: ["library", "streaming"],
  series: ["library"],
  file: ["library"],
  artwork: ["library"],
  scan: ["library"],
  scrub: ["library"],
  progress: ["streaming"],
};

test("every table has an owner", () => {
  const schema = codeOf("migrations/schema.sql");
  const tables = [...schema.matchAll(/^create table (?:public\.)?(\w+)/gim)].map(([, name = ""]) => name);
  expect(Object.keys(owners).toSorted()).toEqual(tables.toSorted());
});

test("only a table's owner writes it; who else reads it is on the list", () => {
  const broken: string[] = [];
  for (const file of sources) {
    const from = folderOf(file);
    if (from === "root" || from === "db") continue;
    const code = codeOf(file);
    for (const [table, allowed] of Object.entries(owners)) {
      // In SQL, and as the query builder says it.
      const writes = new RegExp(
        `(?:insert into|update|delete from)\\s+${table}\\b(?!_)|(?:insertInto|updateTable|deleteFrom)\\("${table}\\b`,
      ).test(code);
      const reads = new RegExp(`(?:from|join)\\s+${table}\\b(?!_)|(?:selectFrom|Join)\\("${table}\\b`).test(code);
      if (writes && allowed[0] !== from) broken.push(`${file} writes ${table}`);
      if (reads && !allowed.includes(from)) broken.push(`${file} reads ${table}`);
    }
  }
  expect(broken).toEqual([]);
});

test("every package has one version and a hash of what it is, but for tools of other platforms", () => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(codeOf("package.json")) as Readonly<
    Record<string, Readonly<Record<string, string>> | undefined>
  >;
  const named = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies });
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
  interface Locked {
    readonly integrity?: string;
    readonly optional?: boolean;
    readonly dev?: boolean;
  }
  const { packages } = JSON.parse(codeOf("package-lock.json")) as {
    readonly packages: Readonly<Record<string, Locked>>;
  };
  const without = Object.entries(packages).filter(
    ([path, { integrity = "" }]) => path !== "" && !integrity.startsWith("sha512-"),
  );
  expect(without.filter(([, { optional, dev }]) => optional !== true || dev !== true)).toEqual([]);
});

test("no registry's address stands in the lockfile or in any file of ours", () => {
  const lock = codeOf("package-lock.json");
  expect(lock).not.toMatch(/"resolved"/);
  const hosts = /registry\.(npmjs|yarnpkg)|npmmirror|verdaccio/;
  const own = globSync("{.npmrc,package.json,package-lock.json,src/**/*.ts,docs/**/*.md,README.md}");
  expect(own.filter((file) => hosts.test(codeOf(file)))).toEqual([]);
});

test("each promise of the product is named by a test that holds it", () => {
  const tests = globSync("{src,test}/**/*.test.ts").map(codeOf);
  expect(tests.length).toBeGreaterThan(50);
  const promises = Array.from({ length: 16 }, (_, place) => `P${place + 1}`);
  expect(promises.filter((promise) => !tests.some((code) => new RegExp(`\\b${promise}\\b`).test(code)))).toEqual([]);
});
