import fc from "fast-check";
import { expect, test } from "vitest";
import { nextPath } from "./next-path.ts";

const origin = "https://houselights.example";
const staysHere = (target: string): boolean => {
  const first = new URL(target, origin);
  // Resolved once more as it stands after the first time: a path that begins with two slashes would leave then.
  return first.origin === origin && new URL(first.pathname + first.search + first.hash, origin).origin === origin;
};

test("ordinary paths of this site are kept as they are", () => {
  for (const path of ["/", "/link", "/watch/0198?from=start", "/title/a%20b#cast", "/?search=https://x.example/"]) {
    expect(nextPath(path)).toBe(path);
  }
});

test("well-known ways to another site are refused", () => {
  const bad = [
    "",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    "https://evil.example",
    "javascript:alert(1)",
    "/.//evil.example",
    "/a/..//evil.example",
    "evil.example",
    "?next=//evil.example",
    " /link",
    `/${"a".repeat(2_000)}`,
  ];
  for (const path of bad) expect(nextPath(path), path).toBeUndefined();
});

test("no text whatever leads to another origin", () => {
  const pieces = fc.constantFrom(
    "/",
    "\\",
    "//",
    "..",
    ".",
    "\t",
    "\n",
    "\r",
    " ",
    "@",
    ":",
    "?",
    "#",
    "%2f",
    "%5c",
    "evil.example",
    "https:",
    "a",
    "\u0000",
    "／",
    "。",
  );
  const crafted = fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(""));
  const led = fc.tuple(fc.constantFrom("/", ""), fc.oneof(crafted, fc.string(), fc.string({ unit: "binary" })));
  fc.assert(
    fc.property(led, ([start, rest]) => {
      const target = nextPath(start + rest);
      return target === undefined || staysHere(target);
    }),
    { numRuns: 2_000 },
  );
});
