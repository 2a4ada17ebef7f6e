import { readFile, stat } from "node:fs/promises";
import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";
import { hourMs } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import { isShowable } from "../kernel/shown-text.ts";
import { Closed } from "../wire/common.ts";
import { deadlineRules, type DeadlineRule } from "./deadlines.ts";

const line = Type.String({ minLength: 1, maxLength: 200 });

/** One rule of the file; what its fields mean stands at `DeadlineRule`. */
const Rule = Closed({
  rule: Type.String({ pattern: "^[a-z][a-z0-9-]{1,39}$" }),
  title: line,
  whom: Type.Enum(["authority", "people"]),
  /** Hours, ten years at most; null for a law that sets none. */
  withinHours: Type.Union([Type.Integer({ minimum: 1, maximum: 87_600 }), Type.Null()]),
  from: Type.Enum(["found", "notified"]),
  source: line,
});
const File = Type.Array(Rule, { maxItems: 100 });
const checked = Compile(File);

const mostBytes = 65_536;

/**
 * The rules that are counted: those of this version, and the operator's own from the file that DEADLINES names, JSON as
 * docs/design/deadlines.md has it. Throws Fault CONFIG_INVALID with the field and its rule, and never a value.
 */
export async function readDeadlines(path: string | null): Promise<readonly DeadlineRule[]> {
  if (path === null) return deadlineRules;
  const own = parse(await textOf(path)).map(({ withinHours, ...rule }): DeadlineRule => ({
    ...rule,
    withinMs: withinHours === null ? null : withinHours * hourMs,
  }));
  const all = [...deadlineRules, ...own];
  const twice = own.findIndex(({ rule }) => all.filter((one) => one.rule === rule).length > 1);
  if (twice >= 0) throw wrong(`${twice}.rule`, "is a name that no other rule has");
  return all;
}

async function textOf(path: string): Promise<string> {
  try {
    if ((await stat(path)).size > mostBytes) throw new Error(`more than ${mostBytes} bytes`);
    return await readFile(path, "utf8");
  } catch (thrown) {
    throw new Fault("CONFIG_INVALID", `DEADLINES: the file cannot be read (${messageOf(thrown)})`);
  }
}

function parse(text: string): Static<typeof File> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Fault("CONFIG_INVALID", "DEADLINES: the file is not JSON");
  }
  if (!checked.Check(value)) {
    const [first] = checked.Errors(value);
    const isUnknown = first?.keyword === "additionalProperties" || first?.keyword === "boolean";
    const where = (first?.instancePath ?? "").slice(1).replaceAll("/", ".");
    // The name of an unknown field is as much the operator's as a value is.
    const path = first?.keyword === "boolean" ? where.replace(/\.?[^.]*$/, "") : where;
    throw wrong(path, isUnknown ? "has no unknown fields" : (first?.message ?? "is as documented"));
  }
  for (const [place, { title, source }] of value.entries()) {
    if (!isShowable(title, { lines: false })) throw wrong(`${place}.title`, "holds no control characters");
    if (!isShowable(source, { lines: false })) throw wrong(`${place}.source`, "holds no control characters");
  }
  return value;
}

const wrong = (path: string, rule: string): Fault =>
  new Fault("CONFIG_INVALID", `DEADLINES: ${path === "" ? "the file" : path} ${rule}`);
