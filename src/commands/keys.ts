import { toIso } from "../kernel/clock.ts";
import type { KeyPurpose } from "../keyholder/keyholder.ts";
import { keyPurposes, parsePurpose } from "../keyholder/keys.ts";
import {
  keysStatus,
  readUnfinished,
  retireKey,
  rotateKeys,
  usePreparedKey,
  wouldRetire,
  type KeysStatus,
  type UnfinishedRotation,
} from "../rotation/rotate.ts";
import { systemRandom } from "../kernel/random.ts";
import { numbered } from "../kernel/numbered.ts";
import { makeModuleKey } from "../keyholder/module-seal.ts";
import { sealFolder } from "../keyholder/seal-folder.ts";
import { sealBy, type Sealing } from "../keyholder/sealing.ts";
import { keysDirOf } from "../main.ts";
import { askNewPassphrase, readPassphrase, readSealing } from "../read-sealing.ts";
import type { Ground } from "../app.ts";
import { confirmed, figure, instant, textOf, type Call, type Command, type Outcome } from "./command.ts";
import { withGround } from "./ground.ts";

const purposeOption = { purpose: { type: "string" } } as const;
const purposeHelp = ["--purpose NAME", "this key alone; houselights keys status lists them"] as const;

/** The purpose that was asked for, or why there is none. */
function askedPurpose(call: Call): KeyPurpose | undefined | Outcome {
  const text = textOf(call.values, "purpose");
  if (text === undefined) return undefined;
  return (
    parsePurpose(text) ?? { kind: "usage", error: "there is no such key", hint: `one of ${keyPurposes.join(", ")}` }
  );
}

const sealWith = (sealing: Sealing | undefined) =>
  sealing === undefined ? undefined : sealBy({ random: systemRandom }, sealing);

const isOutcome = (value: KeyPurpose | undefined | Outcome): value is Outcome => typeof value === "object";

const needsOf = ({ db, keyholders, clock, random }: Ground) => ({ db, keys: keyholders.keeper.keys, clock, random });

const leftLine = ({ begunAt, left }: UnfinishedRotation): string =>
  `the rotation begun ${instant(toIso(begunAt))} has not made new keys for ${left.join(", ")}: houselights keys rotate --rest does`;

function statusLines({ generation, states, walks, named, unfinished }: KeysStatus): string[] {
  const rowsOf = (purpose: KeyPurpose, version: number): number =>
    named
      .filter((each) => each.purpose === purpose && each.version === version)
      .reduce((sum, { rows }) => sum + rows, 0);
  const lines = [`keys of generation ${generation}`];
  for (const { purpose, newest, versions } of states) {
    if (versions.length === 0) lines.push(`  ${purpose.padEnd(18)} none yet`);
    for (const { version, madeAt, closingSince } of versions) {
      const state =
        closingSince !== null
          ? "on its way out"
          : version > newest
            ? "prepared"
            : version === newest
              ? "in use"
              : "old";
      const made = madeAt === 0 ? "" : `  made ${instant(toIso(madeAt))}`;
      const rows = numbered(rowsOf(purpose, version), "row");
      lines.push(
        `  ${purpose.padEnd(18)} ${`${version}`.padStart(3)}  ${state.padEnd(15)} ${rows.padStart(16)}${made}`,
      );
    }
  }
  for (const { table, column, toVersion, rewrapped, unreadable, finishedAt } of walks) {
    const end = finishedAt === null ? "under way" : `finished ${instant(toIso(finishedAt))}`;
    const odd = unreadable === 0 ? "" : `, ${figure(unreadable)} that do not open`;
    lines.push(
      `  ${table}.${column} to version ${toVersion}: ${numbered(rewrapped, "row")} sealed again${odd}, ${end}`,
    );
  }
  if (unfinished !== null) lines.push(leftLine(unfinished));
  return lines;
}

/** Says which keys would be destroyed, and asks; where there is none, there is nothing to ask. */
async function mayRetire(call: Call, ground: Ground, purposes: readonly KeyPurpose[]): Promise<boolean> {
  let isAsked = false;
  for (const each of purposes) {
    const would = await wouldRetire(needsOf(ground), each);
    if (would.kind === "closing") {
      isAsked = true;
      call.say(`${each} ${would.version}: nothing needs it; it would be destroyed`);
    }
    if (would.kind === "needed") call.say(`${each} ${would.version}: stays, needed by ${would.by.join(", ")}`);
  }
  const question = "what still names the old keys in a backup can never be read again with these keys; go on?";
  return !isAsked || confirmed(call, question);
}

async function retire(call: Call): Promise<Outcome> {
  const purpose = askedPurpose(call);
  if (isOutcome(purpose)) return purpose;
  const purposes = purpose === undefined ? keyPurposes : [purpose];
  return withGround(call.config, call.log, async (ground) => {
    if (call.values["yes"] !== true && !(await mayRetire(call, ground, purposes))) {
      return { kind: "refused", error: "nothing was retired", hint: "--yes retires without asking" };
    }
    const lines: string[] = [];
    const json: object[] = [];
    let isRefused = false;
    for (const each of purposes) {
      const outcome = await retireKey(needsOf(ground), each);
      json.push({ purpose: each, ...outcome });
      if (outcome.kind === "needed") {
        isRefused = true;
        lines.push(`${each} ${outcome.version}: still needed by ${outcome.by.join(", ")}`);
      } else if (outcome.kind === "closing") {
        lines.push(`${each} ${outcome.version}: on its way out; the worker destroys it within some minutes`);
      }
    }
    if (isRefused) {
      return {
        kind: "refused",
        error: lines.join("\n"),
        hint: "the worker seals rows again; codes and grants run out by themselves; houselights keys status shows how far it is",
      };
    }
    return { kind: "done", json: { keys: json }, lines: lines.length === 0 ? ["there is no old key"] : lines };
  });
}

export const keysCommands: readonly Command[] = [
  {
    words: ["keys", "status"],
    summary: "every key's versions, how many rows need each, and how far sealing again is",
    examples: ["houselights keys status"],
    run: ({ config, log }) =>
      withGround(config, log, async (ground) => {
        const status = await keysStatus(needsOf(ground));
        return { kind: "done", json: status, lines: statusLines(status) };
      }),
  },
  {
    words: ["keys", "rotate"],
    summary: "make new keys while the service runs; nobody is signed out",
    arguments: "[--purpose NAME | --rest] [--yes]",
    options: { ...purposeOption, rest: { type: "boolean" }, yes: { type: "boolean" } },
    optionHelp: [purposeHelp, ["--rest", "those that a rotation which was cut off has left"], ["--yes", "do not ask"]],
    examples: ["houselights keys rotate --yes", "houselights keys rotate --purpose password"],
    run: async (call) => {
      const purpose = askedPurpose(call);
      if (isOutcome(purpose)) return purpose;
      const isRest = call.values["rest"] === true;
      if (isRest && purpose !== undefined) return { kind: "usage", error: "--purpose and --rest exclude each other" };
      return withGround(call.config, call.log, async (ground) => {
        const unfinished = await readUnfinished(needsOf(ground));
        if (isRest && unfinished === null) {
          return { kind: "done", json: { kind: "rotated", rotated: [] }, lines: ["no rotation has left any key"] };
        }
        if (!isRest && purpose === undefined && unfinished !== null) call.say(leftLine(unfinished));
        const purposes = purpose !== undefined ? [purpose] : isRest ? (unfinished?.left ?? []) : keyPurposes;
        const question = `make a new key for ${isRest ? purposes.join(", ") : (purpose ?? "every purpose")} now?`;
        if (!(await confirmed(call, question))) {
          return { kind: "refused", error: "no key was made", hint: "--yes rotates without asking" };
        }
        const outcome = await rotateKeys(needsOf(ground), purposes);
        const lines = outcome.rotated.map(
          ({ purpose: of, version, isPrepared }) => `${of} ${version}${isPrepared ? ", prepared" : ""}`,
        );
        if (outcome.rotated.some(({ isPrepared }) => isPrepared)) {
          lines.push("publish the new record (houselights mail dkim), then: houselights keys use --purpose dkim");
        }
        if (outcome.kind === "refused") {
          const rest = outcome.left.map((each) => `houselights keys rotate --purpose ${each}`);
          const first = outcome.isFull ? ["houselights keys retire"] : [];
          return { kind: "refused", error: outcome.reason, hint: [...lines, ...first, ...rest].join("\n") };
        }
        lines.push("the worker seals old rows again: houselights keys status; then: houselights keys retire");
        return { kind: "done", json: outcome, lines };
      });
    },
  },
  {
    words: ["keys", "use"],
    summary: "sign letters with the prepared DKIM key: its record is published",
    arguments: "--purpose dkim",
    options: purposeOption,
    optionHelp: [purposeHelp],
    examples: ["houselights keys use --purpose dkim"],
    run: async (call) => {
      const purpose = askedPurpose(call);
      if (isOutcome(purpose)) return purpose;
      if (purpose === undefined) return { kind: "usage", error: "--purpose is needed" };
      return withGround(call.config, call.log, async (ground) => {
        const version = await usePreparedKey(needsOf(ground), purpose);
        if (version === undefined) return { kind: "refused", error: `no key for ${purpose} is prepared` };
        return {
          kind: "done",
          json: { purpose, version },
          lines: [
            `${purpose} ${version} is in use within a minute`,
            "  keep the old record for a week, for letters on their way",
          ],
        };
      });
    },
  },
  {
    words: ["keys", "retire"],
    summary: "destroy old keys that nothing needs any more; refused while anything does",
    arguments: "[--purpose NAME] [--yes]",
    options: { ...purposeOption, yes: { type: "boolean" } },
    optionHelp: [purposeHelp, ["--yes", "do not ask"]],
    examples: ["houselights keys retire --yes"],
    run: retire,
  },
  {
    words: ["keys", "seal"],
    summary: "seal the file of keys: by a passphrase or a hardware module; the service must be stopped",
    arguments: "[--new-passphrase-file FILE]",
    options: { "new-passphrase-file": { type: "string" } },
    optionHelp: [["--new-passphrase-file FILE", "this passphrase, instead of the one that the settings name"]],
    examples: ["KEYS_PASSPHRASE_FILE=/run/keys/passphrase houselights keys seal", "houselights keys seal"],
    run: async ({ config, values }) => {
      const keysDir = keysDirOf(config);
      const newFile = textOf(values, "new-passphrase-file");
      const isModule = config.keysSeal?.by === "module";
      const from = await readSealing(config, keysDir);
      const to =
        newFile !== undefined
          ? await readPassphrase("--new-passphrase-file", newFile)
          : (from ?? (process.stdin.isTTY ? await askNewPassphrase() : undefined));
      if (to === undefined) {
        return {
          kind: "usage",
          error: "there is nothing to seal with",
          hint: "set KEYS_PASSPHRASE_FILE or KEYS_MODULE",
        };
      }
      if (isModule && to.by === "module") await makeModuleKey(to.module);
      await sealFolder(keysDir, sealWith(from), sealWith(to));
      return {
        kind: "done",
        json: { sealed: to.by },
        lines: [`the keys are sealed by a ${to.by === "module" ? "hardware module" : "passphrase"}`],
      };
    },
  },
  {
    words: ["keys", "unseal"],
    summary: "put the file of keys there in clear; the service must be stopped",
    arguments: "[--yes]",
    options: { yes: { type: "boolean" } },
    optionHelp: [["--yes", "do not ask"]],
    examples: ["houselights keys unseal --yes"],
    run: async (call) => {
      if (!(await confirmed(call, "whoever reads the folder has the keys then; go on?"))) {
        return { kind: "refused", error: "nothing was changed", hint: "--yes unseals without asking" };
      }
      const keysDir = keysDirOf(call.config);
      await sealFolder(keysDir, sealWith(await readSealing(call.config, keysDir)), undefined);
      return { kind: "done", json: { sealed: null }, lines: ["the keys lie there in clear"] };
    },
  },
];
