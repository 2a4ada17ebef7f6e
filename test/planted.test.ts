import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

/**
 * What somebody can leave behind before a containment, table by table as the schema has them: what becomes of it at an everyone-out.
 * Who adds a table says it here; what is said of its columns is held against the schema, and the tests named hold the rest.
 */
type Answer =
  /** Refused below the floor of its kind: the row has the epoch of what proved it. */
  | { readonly is: "ended by its epoch"; readonly test: string }
  /** Does not count if it was added since the copy, until its owner keeps it. */
  | { readonly is: "doubted"; readonly test: string }
  /** Stays, and is shown to whoever contains, who keeps it or takes it back. */
  | { readonly is: "shown"; readonly how: string; readonly test: string }
  /** Stays, and opens nothing. */
  | { readonly is: "opens nothing"; readonly because: string };

const opensNothing = (because: string): Answer => ({ is: "opens nothing", because });
const byEpoch = (test = "promise-2-nothing-old.test.ts"): Answer => ({ is: "ended by its epoch", test });
const counts = "a count, a lock or a mark of how far something has come";
const library = "the library, which says what can be watched and not by whom";
const letters =
  "what is written to people: the words are hashed in the record when letters start, and the plan and the preview show them";
const record = "the record itself, which its tree and its witness hold";
const told = "what other services are told, over streams of services that are shown";
const keys = "names of keys and counts of their uses; no key";
const wayOf = "a way to a row that is judged by itself, and is bound to its account";

const answers: Readonly<Record<string, Answer>> = {
  account: {
    is: "shown",
    how: "operators are listed, and those named since do not count",
    test: "operators-after.test.ts",
  },
  account_address: { is: "doubted", test: "added-since.test.ts" },
  account_change: opensNothing(
    "an old letter's button refuses a password and takes back what was added: it shuts out, and lets nobody in",
  ),
  added_since: opensNothing("each row sets more aside; the row of a containment is written over whatever lies there"),
  address: opensNothing(wayOf),
  address_bounce: opensNothing(letters),
  address_claim: byEpoch(),
  alarm: opensNothing("what rang; it is told when it is raised"),
  artwork: opensNothing(library),
  bounce_report: opensNothing(counts),
  campaign: opensNothing(letters),
  campaign_shard: opensNothing(counts),
  campaign_survey: opensNothing(counts),
  canary: opensNothing("without its mark a canary does not ring; with one more, it rings"),
  file: opensNothing(library),
  floor: byEpoch("promise-8-restored-copy.test.ts"),
  incident: opensNothing("the case file, which operators read"),
  incident_review: opensNothing("the case file, which operators read"),
  instance: opensNothing("a database under another identity is not served"),
  key_caller: opensNothing(keys),
  key_file: opensNothing(keys),
  key_ledger: opensNothing(keys),
  key_rewrap: opensNothing(keys),
  key_surplus: opensNothing(keys),
  key_use: opensNothing(keys),
  key_version: opensNothing(keys),
  known_network: opensNothing("its network is not slowed down at one address, and proves nothing"),
  letter: opensNothing(letters),
  link: byEpoch(),
  lobby: opensNothing("a place in line is no ticket; the ticket behind it is refused by its epoch"),
  lobby_entry: opensNothing(counts),
  lobby_minute: opensNothing(counts),
  lobby_network: opensNothing(counts),
  mailbox_letter: opensNothing("a letter that was sent, sealed; the codes in it are refused by their epoch"),
  migration: opensNothing(counts),
  notice: opensNothing(letters),
  operator_link: byEpoch(),
  passkey: { is: "doubted", test: "passkeys.test.ts" },
  passkey_challenge: byEpoch(),
  passkey_way: opensNothing(wayOf),
  password: byEpoch("promise-3-old-password.test.ts"),
  progress: opensNothing(library),
  recovery: byEpoch(),
  recovery_code: { is: "doubted", test: "second-factor.test.ts" },
  refusal_count: opensNothing(counts),
  refused_password: opensNothing("it keeps a password from being chosen"),
  removed_address: { is: "doubted", test: "not-me.test.ts" },
  scan: opensNothing(library),
  scrub: opensNothing(library),
  security_event: opensNothing("what happened, for its owner to read"),
  series: opensNothing(library),
  session: byEpoch(),
  sign_in_step: byEpoch(),
  sign_in_window: opensNothing(counts),
  sign_up: byEpoch(),
  signal: opensNothing(told),
  signal_delivery: opensNothing(told),
  signal_fan_out: opensNothing(told),
  signal_fan_out_stream: opensNothing(told),
  signal_receiver: {
    is: "shown",
    how: "tokens made since the copy are named, and can be ended",
    test: "../src/signals/tokens.test.ts",
  },
  signal_stream: opensNothing(told),
  signal_subject: opensNothing(told),
  throttle: opensNothing(counts),
  ticket: byEpoch(),
  timeline_checkpoint: opensNothing(record),
  timeline_cosignature: opensNothing(record),
  timeline_entry: opensNothing(record),
  timeline_node: opensNothing(record),
  timeline_witness: opensNothing(record),
  title: opensNothing(library),
  totp: { is: "doubted", test: "second-factor.test.ts" },
};

const schema = readFileSync(new URL("../migrations/schema.sql", import.meta.url), "utf8");
const tables = new Map(
  [...schema.matchAll(/^create table (\w+) \(\n([^]*?)\n\);/gm)].map(([, table = "", body = ""]) => [table, body]),
);
const columnsOf = (table: string): string[] =>
  [...(tables.get(table) ?? "").matchAll(/^ {2}(?!constraint)(\w+) /gm)].map(([, column = ""]) => column);

test("every table of the schema says what becomes of what was left in it before a containment, and none says more", () => {
  expect(tables.size).toBeGreaterThan(60);
  expect(Object.keys(answers).toSorted()).toEqual([...tables.keys()].toSorted());
});

test.each(Object.entries(answers))("%s is as it says", (table, answer) => {
  const columns = columnsOf(table);
  expect(columns.length).toBeGreaterThan(0);
  switch (answer.is) {
    case "ended by its epoch":
      expect(columns).toContain("epoch");
      break;
    case "doubted":
      expect(columns).toEqual(expect.arrayContaining(["epoch", "confirmed_epoch", "doubted_at"]));
      break;
    case "shown":
      expect(answer.how).not.toBe("");
      break;
    case "opens nothing":
      // What opens something has an epoch, or a digest of a secret that somebody may have.
      expect(columns.filter((column) => /^(digest|token_digest|code_mac)$/.test(column))).toEqual(
        table === "bounce_report" || table === "artwork" ? ["digest"] : [],
      );
      return;
  }
  // The test that holds it is there, and speaks of containing.
  expect(readFileSync(new URL(answer.test, import.meta.url), "utf8")).toMatch(/contain/);
});
