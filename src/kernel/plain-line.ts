import { inOneLine } from "./shown-text.ts";

/** What a line begins with, by its level; plain information with nothing. */
const words: Readonly<Record<number, string>> = {
  10: "trace: ",
  20: "debug: ",
  40: "warning: ",
  50: "error: ",
  60: "error: ",
};
const leftOut = new Set(["level", "time", "component", "msg", "stack"]);

/**
 * Turns a JSON line of the log into one for a person at a terminal: time (UTC), process, message, and the facts in brackets. Control
 * characters are taken out: the name of a file or the answer of a relay must not steer the terminal. Text that is no JSON is left
 * as it is.
 */
export function plainLine(json: string): string {
  let said: Record<string, unknown>;
  try {
    said = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json;
  }
  const about = Object.entries(said)
    .filter(([name]) => !leftOut.has(name))
    .map(([name, value]) => `${name} ${valueText(value)}`);
  const line =
    `${textOf(said["time"]).slice(11, 19)}  ${textOf(said["component"]).padEnd(9)}  ` +
    `${words[Number(said["level"])] ?? ""}${textOf(said["msg"])}${about.length === 0 ? "" : ` (${about.join(", ")})`}`;
  return `${inOneLine(line)}\n`;
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

function valueText(value: unknown): string {
  if (typeof value === "string") return value;
  // Of an error the message alone; its stack is in the JSON log.
  if (typeof value === "object" && value !== null && "message" in value) return textOf(value.message);
  return JSON.stringify(value) ?? "";
}
