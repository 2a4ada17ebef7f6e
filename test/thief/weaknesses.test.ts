import { expect, test } from "vitest";
import { findingClasses } from "./finding.ts";
import { weaknesses } from "./weaknesses.ts";

test("P4: each class of finding has a schema that is weak in that way, or is about the declarations themselves", () => {
  // A declaration of nothing, and a table that nobody fills: the test of promise 4 shows them beside the schemas.
  const ofDeclarations = ["stale", "untested"];
  const shown = new Set<string>([...weaknesses.map((one) => one.class), ...ofDeclarations]);
  expect([...shown].toSorted()).toEqual(findingClasses.toSorted());
});
