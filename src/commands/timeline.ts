import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { systemClock } from "../kernel/clock.ts";
import { numbered } from "../kernel/numbered.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { proveLetter } from "../incidents/letter-proof.ts";
import { readStanding } from "../credentials/standing.ts";
import { originOf, readUnsignedCheckpoint } from "../timeline/checkpoint.ts";
import { isKeyName, verifierKey, verifierKeyText } from "../timeline/note.ts";
import { policyText, readPolicy, witnessLinesOf } from "../timeline/policy.ts";
import { publishTiles } from "../timeline/publish.ts";
import { readPolicyFile } from "../timeline/read-policy-file.ts";
import { listWitnesses } from "../timeline/list-witnesses.ts";
import { startWitness } from "../timeline/witness-server.ts";
import { aloneCodes, verifyAlone } from "../timeline/verify-alone.ts";
import { verifyTimeline } from "../timeline/verify.ts";
import { figure, instant, textOf, type Call, type Command, type Outcome } from "./command.ts";
import { accountOf } from "./account-of.ts";
import { idHelp, idOption, onCase } from "./case.ts";
import { watchEndings } from "./endings.ts";
import { withGround } from "./ground.ts";
import { showingProgress, stderr } from "./show-progress.ts";
import { notWritten, writeNamed } from "./write-named.ts";

const manyOf = (values: Call["values"], name: string): string[] => {
  const value = values[name];
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
};

/** The timeline in the database, with the keyholder's own memory of it. */
const verifyDatabase = ({ config, log }: Call): Promise<Outcome> =>
  withGround(config, log, async ({ db, keyholders }, signal) => {
    const keys = await keyholders.operator.publicKeys("checkpoint");
    const publicKeys = keys.map(({ publicKey }) => publicKey);
    const { databaseId, ...first } = await readStanding(db);
    const { head: witnessed } = await keyholders.operator.witness.read(databaseId, first);
    const verdict = await showingProgress(stderr, { units: "entries", signal }, (progress) =>
      verifyTimeline({ db, databaseId, publicKeys, witnessed, progress }),
    );
    if (verdict.kind === "intact") {
      return {
        kind: "done",
        json: verdict,
        lines: [`intact: ${numbered(verdict.size, "entry", "entries")}, root ${verdict.rootHex}`],
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
  const endings = watchEndings();
  const shown = { units: "entries", signal: endings.signal };
  const { code, lines, error, hint, json } = await showingProgress(stderr, shown, (progress) =>
    endings.orEnded(
      verifyAlone({
        folder,
        policy: textOf(values, "policy"),
        checkpoints: manyOf(values, "checkpoint"),
        report: textOf(values, "report"),
        proofs: manyOf(values, "proof"),
        progress,
      }),
    ),
  ).finally(() => endings.close());
  if (code === 0 || error === undefined) return { kind: "done", lines, json };
  const said = { error, ...(hint === undefined ? {} : { hint }) };
  if (code === aloneCodes.usage) return { kind: "usage", ...said };
  return { kind: "refused", ...said, lines, json, exitCode: code };
}

/** Who signs and cosigns the timeline, in the form in which others name whom they believe (C2SP tlog-policy). */
async function ownPolicy(
  keyholder: Pick<Keyholder, "publicKeys">,
  databaseId: string,
  named: { readonly text: string } | undefined,
): Promise<string> {
  const keys = await keyholder.publicKeys("checkpoint");
  const origin = originOf(databaseId);
  return policyText(
    keys.map(({ publicKey }) => verifierKey(origin, publicKey)),
    named === undefined ? [] : witnessLinesOf(named.text),
  );
}

async function runWitness({ log, values, say }: Call): Promise<Outcome> {
  const hint = "houselights timeline witness --help";
  const [folder, name, logs] = ["folder", "name", "logs"].map((option) => textOf(values, option));
  if (folder === undefined || name === undefined || logs === undefined) {
    return { kind: "usage", error: "--folder, --name and --logs are needed", hint };
  }
  if (!isKeyName(name)) return { kind: "usage", error: "--name has a space or a plus sign, or is too long", hint };
  const [, host, port] = /^(?:\[?([^\]]+)\]?):(\d{1,5})$/.exec(textOf(values, "listen") ?? "127.0.0.1:8410") ?? [];
  if (host === undefined || Number(port) > 65_535) return { kind: "usage", error: "--listen is not HOST:PORT", hint };
  const pem = ["tls-cert", "tls-key"];
  const [cert, key] = await Promise.all(pem.map((option) => readOption(values, option)));
  if (pem.some((option) => values[option] !== undefined) && (cert === undefined || key === undefined)) {
    return { kind: "usage", error: "--tls-cert and --tls-key come together, and must be readable", hint };
  }
  const text = await readFile(logs, "utf8").catch(() => undefined);
  if (text === undefined) return { kind: "refused", error: "--logs: the file cannot be read", hint };
  const policy = readPolicy(text);
  if ("wrong" in policy)
    return { kind: "refused", error: `--logs: ${policy.wrong}`, hint: "its form is C2SP tlog-policy" };
  if (policy.logs.length === 0) return { kind: "refused", error: "--logs names no log", hint };
  const tls = cert === undefined || key === undefined ? {} : { tls: { cert, key } };
  const witness = await startWitness({
    folder: resolve(folder),
    name,
    logs: policy.logs,
    host,
    port: Number(port),
    ...tls,
    clock: systemClock,
    log,
  }).catch(notWitnessing);
  if ("kind" in witness) return witness;
  const url = `${cert === undefined ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${witness.port}`;
  say("witnessing; for the policy of the services that ask it (TIMELINE_POLICY):");
  say(`witness ${name} ${verifierKeyText(witness.key)} ${url}`);
  say(`quorum ${name}`);
  await new Promise<void>((stop) => {
    process.once("SIGINT", () => stop());
    process.once("SIGTERM", () => stop());
  });
  await witness.close();
  return { kind: "done" };
}

/** What the system says of a place or a certificate that was named, in words. */
function notWitnessing(thrown: unknown): Outcome {
  const { code = "", syscall = "" }: Partial<NodeJS.ErrnoException> = thrown instanceof Error ? thrown : {};
  if (["listen", "bind", "getaddrinfo"].includes(syscall)) {
    return { kind: "refused", error: `--listen: nothing can be opened there (${code})`, hint: "name another place" };
  }
  if (/^ERR_(OSSL|SSL|TLS)/.test(code)) {
    return { kind: "refused", error: "--tls-cert and --tls-key are no certificate and its key (PEM)" };
  }
  return notWritten("--folder", thrown);
}

async function readOption(values: Call["values"], name: string): Promise<Buffer | undefined> {
  const path = textOf(values, name);
  return path === undefined ? undefined : readFile(path).catch(() => undefined);
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
      // An empty one, as of a variable that nobody set, would be the folder that the command is given in.
      if (folder === undefined || folder === "") {
        return { kind: "usage", error: "a folder is needed", hint: "houselights timeline export FOLDER" };
      }
      // Another timeline is put aside, folder and all; what is no timeline is somebody's, and stays where it is.
      const there = await readFile(join(folder, "checkpoint"), "utf8").catch(() => undefined);
      if (there !== undefined && readUnsignedCheckpoint(there) === undefined) {
        const error = "the folder has a file named checkpoint that is no timeline's; nothing of it was touched";
        return { kind: "refused", error, hint: "name another place" };
      }
      return withGround(config, log, async ({ db, keyholders }, signal): Promise<Outcome> => {
        const { databaseId } = await readStanding(db);
        const policy = await readPolicyFile(config.timelinePolicy);
        const published = await showingProgress(stderr, { units: "entries", signal }, (progress) =>
          publishTiles({ db, folder: resolve(folder), log, policy, progress, signal }),
        ).catch((thrown: unknown) => notWritten("the folder", thrown));
        if ("kind" in published) return published;
        if (published.size === 0) {
          return { kind: "refused", error: "nothing is signed yet", hint: "start the service: its worker signs" };
        }
        const own = await ownPolicy(keyholders.operator, databaseId, policy);
        const refused = await writeNamed("the folder's policy", join(folder, "policy"), own);
        if (refused !== undefined) return refused;
        const { size, written, setAside } = published;
        return {
          kind: "done",
          json: { size, written, setAside: setAside ?? null },
          lines: [
            `${numbered(size, "entry", "entries")}; ${numbered(written, "file")} written`,
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
        const named = await readPolicyFile(config.timelinePolicy);
        const policy = await ownPolicy(keyholders.operator, databaseId, named);
        return { kind: "done", json: { policy }, lines: policy.trimEnd().split("\n") };
      }),
  },
  {
    words: ["timeline", "proof"],
    summary: "write the receipt of one account's letter: a .tlog-proof that others verify offline",
    arguments: "ADDRESS --output FILE [--incident ID]",
    positionals: 1,
    options: { ...idOption, output: { type: "string" } },
    optionHelp: [["--output FILE", "where it goes; a file that exists is not replaced"], idHelp],
    examples: ["houselights timeline proof ada@example.org --output ada.tlog-proof"],
    run: (call) => {
      const output = textOf(call.values, "output");
      const [address] = call.positionals;
      if (output === undefined || address === undefined) {
        return Promise.resolve({ kind: "usage", error: "an address and --output are needed" } as const);
      }
      return onCase(call, async ({ db, keyholders: { operator } }, incidentId): Promise<Outcome> => {
        const accountId = await accountOf(db, operator, address);
        if (accountId === null) return { kind: "refused", error: "no account has this address" };
        const outcome = await proveLetter({ db, keyholder: operator }, incidentId, accountId);
        switch (outcome.kind) {
          case "no-letter":
            return { kind: "refused", error: "no letter of this case went to an address of this account" };
          case "not-signed-yet":
            return {
              kind: "refused",
              error: "its entry is not signed yet",
              hint: "a running service signs within a second",
            };
          case "proved":
            return (
              (await writeNamed("--output", output, outcome.proof, "wx")) ?? {
                kind: "done",
                json: { accountId, output },
                lines: ["written", "  check                 houselights timeline verify --proof FILE --policy FILE"],
              }
            );
        }
      });
    },
  },
  {
    words: ["timeline", "status"],
    summary: "how far the timeline is signed, and which witnesses cosign it",
    examples: ["houselights timeline status --json"],
    run: ({ config, log }) =>
      withGround(config, log, async ({ db }) => {
        const named = await readPolicyFile(config.timelinePolicy);
        const { size, waiting, witnesses } = await listWitnesses(db, named?.witnesses ?? []);
        return {
          kind: "done",
          json: { size, waiting, witnesses },
          lines: [
            `signed                ${numbered(size, "entry", "entries")}; ${figure(waiting)} waiting`,
            ...witnesses.map(({ name, cosignedSize, cosignedAt, failingSince, problem }) => {
              const upTo =
                cosignedAt === null
                  ? "nothing yet"
                  : `${numbered(cosignedSize, "entry", "entries")} at ${instant(cosignedAt)}`;
              const failing = failingSince === null ? "" : `; not since ${instant(failingSince)}: ${problem ?? ""}`;
              return `  ${name.padEnd(20)}cosigned ${upTo}${failing}`;
            }),
            ...(witnesses.length === 0 ? ["  no witness is named   TIMELINE_POLICY"] : []),
          ],
        };
      }),
  },
  {
    words: ["timeline", "witness"],
    summary: "run a witness: it cosigns the timelines of other machines as long as they only grow",
    isDaemon: true,
    arguments: "--folder FOLDER --name NAME --logs FILE [--listen HOST:PORT]",
    options: {
      folder: { type: "string" },
      name: { type: "string" },
      logs: { type: "string" },
      listen: { type: "string" },
      "tls-cert": { type: "string" },
      "tls-key": { type: "string" },
    },
    optionHelp: [
      ["--folder FOLDER", "its key, and what it has seen; not on the machine it watches"],
      ["--name NAME", "the name of its key, such as witness.example/1"],
      ["--logs FILE", "a policy that names the logs, as timeline policy prints it there"],
      ["--listen HOST:PORT", "127.0.0.1:8410 unless given"],
      ["--tls-cert, --tls-key", "PEM files; services ask a witness elsewhere by https alone"],
    ],
    examples: ["houselights timeline witness --folder witness --name witness.example/1 --logs policy"],
    run: runWitness,
  },
];
