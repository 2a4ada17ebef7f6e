import { inOneLine } from "./shown-text.ts";

/** What is said of itself by a level; information says nothing. */
const words: Readonly<Record<number, string>> = {
  10: "trace: ",
  20: "debug: ",
  40: "warning: ",
  50: "error: ",
  60: "error: ",
};
const leftOut = new Set(["level", "time", "component", "msg", "stack"]);

/**
 * A line of the log as whoever sits at the terminal reads it: when (UTC), which process, what, and in brackets what it is about.
 * Nothing in it steers the terminal, whatever a file or a relay is called. What is no line of the log stays as it is.
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
  // Of an error what it says; where it was thrown is in the log that a program reads.
  if (typeof value === "object" && value !== null && "message" in value) return textOf(value.message);
  return JSON.stringify(value) ?? "";
}
