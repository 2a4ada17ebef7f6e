import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** `docs/design/connections.md` against the sources: every number in bold stands there, and nobody opens what is not listed. */
const root = join(import.meta.dirname, "..");
const page = readFileSync(join(root, "docs/design/connections.md"), "utf8");
const rows = page
  .split("\n")
  .filter((line) => line.startsWith("| ") && line.includes("#"))
  .map((line) => {
    const cells = line.split(" | ").map((cell) => cell.replace(/^\|/, "").trim());
    return {
      what: cells[0]!,
      said: cells.slice(1, -1).join(" "),
      places: [...cells.at(-1)!.matchAll(/`([^`#]+)#([^`]+)`/g)],
    };
  });

const units: Readonly<Record<string, number>> = {
  "": 1,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  days: 86_400_000,
  KiB: 1_024,
};
const named: Readonly<Record<string, number>> = {
  secondMs: 1_000,
  minuteMs: 60_000,
  hourMs: 3_600_000,
  dayMs: 86_400_000,
};

/** `10 * secondMs`, `64 * 1024`, `secondMs / 4`, `30_000`, `"100"`: what stands in the sources, and nothing else. */
function valueOf(text: string): number | undefined {
  const parts = text.replaceAll('"', "").trim().split(/\s+/);
  const number = (part = ""): number => named[part] ?? Number(part.replaceAll("_", "") || Number.NaN);
  let value = number(parts[0]);
  for (let at = 1; at < parts.length; at += 2) {
    if (parts[at] === "*") value *= number(parts[at + 1]);
    else if (parts[at] === "/") value /= number(parts[at + 1]);
    else return undefined;
  }
  return Number.isFinite(value) ? value : undefined;
}

/** Every value that a name has in a file: a constant, a default, an option, a call's first argument, or the fields of an object. */
function valuesOf(file: string, name: string): number[] {
  const source = readFileSync(join(root, file), "utf8");
  const quoted = name.replaceAll("-", "\\-");
  const found = [
    ...source.matchAll(
      new RegExp(`["']?(?<![\\w.])${quoted}["']?(?::[ \\w]+)?\\s*(?:[:=]|\\()\\s*(\\{[^{}]*\\}|[^,;{}()\\n]+)`, "g"),
    ),
  ];
  return found.flatMap(([, text = ""]) =>
    text.startsWith("{")
      ? [...text.matchAll(/\w+:\s*([^,{}]+)/g)].flatMap(([, field = ""]) => valueOf(field) ?? [])
      : (valueOf(text) ?? []),
  );
}

const saidIn = (text: string): number[] =>
  [...text.matchAll(/\*\*([\d,]+)(?: (\w+))?\*\*/g)].map(
    ([, digits = "", unit = ""]) => Number(digits.replaceAll(",", "")) * (units[unit] ?? Number.NaN),
  );

test("each number in bold is that of the sources, and each place named says one of them", () => {
  expect(rows.length).toBeGreaterThan(15);
  for (const { what, said, places } of rows) {
    const numbers = saidIn(said);
    const places_ = places.map(([, file = "", name = ""]) => ({
      place: `${file}#${name}`,
      values: valuesOf(file, name),
    }));
    const stated = places_.flatMap(({ values }) => values);
    for (const number of numbers)
      expect({ what, number, stated }).toMatchObject({ stated: expect.arrayContaining([number]) as unknown });
    for (const { place, values } of places_) {
      expect({ what, place, says: values.some((value) => numbers.includes(value)), values }).toMatchObject({
        says: true,
      });
    }
  }
});

test("the sums of connections to the database are those of the processes", () => {
  const of = (file: string, place = 0): number => valuesOf(file, "maxConnections")[place]!;
  const announcing = of("src/app.ts", 1);
  // The first of a web process is closed before it serves: it brings the schema up to date.
  const web = of("src/app-web.ts", 1) + announcing + 1;
  const worker = of("src/app-worker.ts") + announcing;
  const command = of("src/commands/ground.ts", 1) + announcing;
  const says = page.replaceAll(/\s+/g, " ");
  expect(says).toContain(
    `take ${web} connections for each web process, ${worker} for each worker and ${command} for each command`,
  );
  const keyholder = of("src/keyholder/server.ts");
  expect(says).toContain(`The keyholder's ${keyholder} are enough for ${Math.floor(keyholder / 6)} processes.`);
});

test("every source that opens or takes connections is one of those that the page speaks of", () => {
  /** Sources that do it for another one, whose numbers the page gives. */
  const through: Readonly<Record<string, string>> = {
    "src/keyholder/dial.ts": "src/keyholder/connection.ts",
    "src/mail/smtp-socket.ts": "src/mail/smtp.ts",
    "src/db/embedded.ts": "src/db/db.ts",
    "src/db/embedded-roles.ts": "src/db/embedded.ts",
    "src/commands/keeping.ts": "src/commands/ground.ts",
    "src/main.ts": "src/app-web.ts",
  };
  const opens =
    /\bnew pg\.(?:Pool|Client)\(|(?<![.\w])fetch\(|\brequestHttps?\(|\bconnect(?:Tls|Plain)?\(\{|\bnew Resolver\(|\.listen\(\s*(?:\{ host|port|listen\.port|socketPath)|\bopenDb\(\{|\bnew SMTPServer\(/;
  const files = globSync("src/**/*.ts", { cwd: root }).filter(
    (file) => !/\.test\.ts$|test-|\/drill\//.test(file) && opens.test(readFileSync(join(root, file), "utf8")),
  );
  expect(files.length).toBeGreaterThan(10);
  const spokenOf = new Set(rows.flatMap(({ places }) => places.map(([, file]) => file)));
  expect(files.filter((file) => !spokenOf.has(file) && !spokenOf.has(through[file] ?? ""))).toEqual([]);
});
