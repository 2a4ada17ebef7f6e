import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { EpochMs } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { breachedFileIn, noBreached, openBreached } from "./breached/breached.ts";
import { loadBreached } from "./breached/load.ts";
import { isCommonPassword } from "./common-passwords.ts";
import { commonWords } from "./common-words.ts";
import { judgePassword } from "./password-rules.ts";

const about = { address: "ada@example.org", name: "Ada", service: "Houselights" };
const ruleOf = (password: string, breached = noBreached): string => {
  const verdict = judgePassword(password, about, breached);
  return verdict.kind === "good" ? "good" : verdict.rule;
};

test("a password of the operator's list is refused, entire and in NFC, and the refusal says that it may be a mistake", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "rules-"));
  // As browsers of one kind send it, and as lists have it: é as one letter.
  const stolen = "nine caf\u00e9s by the river";
  expect(ruleOf(stolen)).toBe("good");
  const list = join(dataDir, "list.txt");
  await writeFile(list, `${createHash("sha1").update(stolen).digest("hex")}:3\n`);
  await loadBreached({ lists: [list], path: breachedFileIn(dataDir), now: 0 as EpochMs });
  const breached = openBreached(dataDir, silentLog);
  try {
    expect(ruleOf(stolen, breached)).toBe("breached");
    expect(ruleOf("nine cafe\u0301s by the river", breached)).toBe("breached");
    // The entire password counts: not a part of it, and not in another case.
    const others = [`${stolen}!`, `x${stolen}`, stolen.toUpperCase(), stolen.replaceAll(" ", "")];
    expect(others.map((password) => ruleOf(password, breached))).toEqual(["good", "good", "good", "good"]);
    expect(judgePassword(stolen, about, breached)).toMatchObject({
      detail: expect.stringMatching(/mistakes.*1 good password in 512/),
    });
  } finally {
    breached.close();
    await rm(dataDir, { recursive: true });
  }
});

test("more than 3,000 passwords that people are known to choose are common, at every allowed length", () => {
  const endings = ["", "1", "12", "123", "1234", "!", "2024", "1990", "007", "69"];
  const made = [...commonWords]
    .flatMap((word) => endings.map((ending) => word + ending))
    .filter((text) => text.length >= 8);
  expect(new Set(made).size).toBeGreaterThan(3_000);
  expect(made.filter((password) => !isCommonPassword(password))).toEqual([]);
  for (const password of [
    "p4ssw0rd123",
    "sunshinedragon99",
    "correcthorsebatterystaple",
    "!!iloveyou!!",
    "m0nk3ym0nk3y",
  ]) {
    expect([password, isCommonPassword(password)]).toEqual([password, true]);
  }
});

test("sentences and chance are not common", () => {
  for (const password of [
    "seven lanterns over the harbour",
    "k3Vq!zT9-wLr2Xp@",
    "the heron waits for nobody",
    "mother keeps bees in october",
    "パスワードではない長い文章です",
    "дождь стучит по крыше",
    "1897 Vermont Avenue, third floor",
  ]) {
    expect([password, ruleOf(password)]).toEqual([password, "good"]);
  }
});

test("each rule refuses and names itself, and length counts letters, not bytes", () => {
  expect(ruleOf("fourteen chars")).toBe("too-short");
  expect(ruleOf("fifteen letters")).toBe("good");
  expect(ruleOf("🎬".repeat(3) + "🎞️ film night")).toBe("good");
  expect(ruleOf("abcabcabcabcabcabc")).toBe("repeats");
  expect(ruleOf("12345678901234567")).toBe("repeats");
  expect(ruleOf("ada@example.org1")).toBe("about-you");
  expect(ruleOf("Houselights2026")).toBe("about-you");
  expect(ruleOf("x".repeat(500) + "y".repeat(525))).toBe("too-long");
});
