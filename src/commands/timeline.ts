import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { readStanding } from "../credentials/standing.ts";
import { originOf } from "../timeline/checkpoint.ts";
import { verifierKey } from "../timeline/note.ts";
import { policyText } from "../timeline/policy.ts";
import { publishTiles } from "../timeline/publish.ts";
import { aloneCodes, verifyAlone } from "../timeline/verify-alone.ts";
import { verifyTimeline } from "../timeline/verify.ts";
import { figure, textOf, type Call, type Command, type Outcome } from "./command.ts";
import { withGround } from "./ground.ts";

const manyOf = (values: Call["values"], name: string): string[] => {
  const value = values[name];
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
};

/** The timeline in the database, with the keyholder's own memory of it. */
const verifyDatabase = ({ config, log }: Call): Promise<Outcome> =>
  withGround(config, log, async ({ db, keyholders }) => {
    const keys = await keyholders.operator.publicKeys("checkpoint");
    const publicKeys = keys.map(({ publicKey }) => publicKey);
    const { databaseId, ...first } = await readStanding(db);
    const { head: witnessed } = await keyholders.operator.witness.read(databaseId, first);
    const verdict = await verifyTimeline({ db, databaseId, publicKeys, witnessed });
    if (verdict.kind === "intact") {
      return {
        kind: "done",
        json: verdict,
        lines: [`intact: ${figure(verdict.size)} entries, root ${verdict.rootHex}`],
      };
    }
    return {
      kind: "refused",
      error: `the timeline is broken: ${JSON.stringify(verdict)}`,
      hint: "compare with a checkpoint kept elsewhere",
    };
  });

/** The timeline in files, wherever they came from: neither database nor keyholder is asked. */
async function verifyFiles({ values, positionals: [folder] }: Call): Promise<Outcome> {
  const { code, lines, error, hint, json } = await verifyAlone({
    folder,
    policy: textOf(values, "policy"),
    checkpoints: manyOf(values, "checkpoint"),
    report: textOf(values, "report"),
    proofs: manyOf(values, "proof"),
  });
  if (code === 0 || error === undefined) return { kind: "done", lines, json };
  const said = { error, ...(hint === undefined ? {} : { hint }) };
  if (code === aloneCodes.usage) return { kind: "usage", ...said };
  return { kind: "refused", ...said, lines, json, exitCode: code };
}

/** Who signs the timeline, in the form in which others name whom they believe (C2SP tlog-policy). */
async function ownPolicy(keyholder: Pick<Keyholder, "publicKeys">, databaseId: string): Promise<string> {
  const keys = await keyholder.publicKeys("checkpoint");
  const origin = originOf(databaseId);
  return policyText(
    keys.map(({ publicKey }) => verifierKey(origin, publicKey)),
    [],
  );
}

/** The record of what happened: recomputed, written out as files, and checked by those files alone. */
export const timelineCommands: readonly Command[] = [
  {
    words: ["timeline", "verify"],
    summary: "recompute every hash and signature of the timeline, or of its files alone",
    arguments: "[FOLDER] [--policy FILE] [--checkpoint FILE]… [--report FILE] [--proof FILE]…",
    positionals: 1,
    options: {
      policy: { type: "string" },
      checkpoint: { type: "string", multiple: true },
      report: { type: "string" },
      proof: { type: "string", multiple: true },
    },
    optionHelp: [
      ["FOLDER", "files of the timeline: neither database nor service is asked"],
      ["--policy FILE", "whose signatures count; the folder's own file unless given"],
      ["--checkpoint FILE", "a checkpoint kept from earlier: the folder must begin with it"],
      ["--report FILE", "a report in JSON: what it says must be in the folder"],
      ["--proof FILE", "a .tlog-proof, or a folder of them; with a folder or alone"],
      ["", "exit codes: 1 not what was signed, 4 older than the checkpoint,"],
      ["", "5 another timeline than it, 6 too few witnesses, 7 the report or proof is untrue"],
    ],
    examples: [
      "houselights timeline verify --json",
      "houselights timeline verify exported/ --policy policy --checkpoint checkpoint-of-june",
      "houselights timeline verify exported/ --report report.json",
    ],
    run: (call) => {
      const isOfFiles = ["policy", "checkpoint", "report", "proof"].some((name) => call.values[name] !== undefined);
      return call.positionals.length > 0 || isOfFiles ? verifyFiles(call) : verifyDatabase(call);
    },
  },
  {
    words: ["timeline", "export"],
    summary: "write the timeline as files that can be checked anywhere; again, only what is new",
    arguments: "FOLDER",
    positionals: 1,
    examples: ["houselights timeline export /mnt/auditor/timeline"],
    run: async ({ config, log, positionals: [folder] }) => {
      if (folder === undefined) {
        return { kind: "usage", error: "a folder is needed", hint: "houselights timeline export FOLDER" };
      }
      return withGround(config, log, async ({ db, keyholders }): Promise<Outcome> => {
        const { databaseId } = await readStanding(db);
        const published = await publishTiles({ db, folder: resolve(folder), log });
        if (published.size === 0) {
          return { kind: "refused", error: "nothing is signed yet", hint: "start the service: its worker signs" };
        }
        await writeFile(join(folder, "policy"), await ownPolicy(keyholders.operator, databaseId), { mode: 0o600 });
        const { size, written, setAside } = published;
        return {
          kind: "done",
          json: { size, written, setAside: setAside ?? null },
          lines: [
            `${figure(size)} entries; ${figure(written)} files written`,
            ...(setAside === undefined ? [] : [`  another timeline was there, and is now ${setAside}`]),
            "  entries say when each account did what, by its id: for auditors, not for the public",
            "  check                 houselights timeline verify FOLDER --policy FILE",
          ],
        };
      });
    },
  },
  {
    words: ["timeline", "policy"],
    summary: "print whose signatures make a checkpoint good, for whoever checks it elsewhere",
    examples: ["houselights timeline policy > policy"],
    run: ({ config, log }) =>
      withGround(config, log, async ({ db, keyholders }) => {
        const { databaseId } = await readStanding(db);
        const policy = await ownPolicy(keyholders.operator, databaseId);
        return { kind: "done", json: { policy }, lines: policy.trimEnd().split("\n") };
      }),
  },
];
