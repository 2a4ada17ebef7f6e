import { existsSync } from "node:fs";
import { messageOf, Fault } from "../kernel/fault.ts";
import { backupDatabase, describeBackup } from "../db/backup.ts";
import { systemClock } from "../kernel/clock.ts";
import { systemRandom } from "../kernel/random.ts";
import { numbered } from "../kernel/numbered.ts";
import { openDb, type Db } from "../db/db.ts";
import { liveCanaries, rotateForBackup } from "../canaries/rotate-for-backup.ts";
import { backupKeys, restoreKeys } from "../keyholder/backup-keys.ts";
import { backupExactKeys, restoreExactKeys } from "../keyholder/exact-key.ts";
import { dkimSelector } from "../mail/dkim.ts";
import { readFrom } from "../mail/smtp.ts";
import { sealBy } from "../keyholder/sealing.ts";
import { keysDirOf } from "../main.ts";
import { readSealing } from "../read-sealing.ts";
import { plantNeeds } from "./canary.ts";
import { expectService, expectTables, withDatabase, withGround } from "./ground.ts";
import { restoreOver } from "./restore-over.ts";
import { showingProgress, stderr } from "./show-progress.ts";
import { confirmed, figure, instant, textOf, type Call, type Command, type Outcome } from "./command.ts";

const mebibytes = { units: "MiB", unit: 2 ** 20 } as const;

interface ToRestore {
  readonly file: string | undefined;
  readonly keys: string | undefined;
  readonly exactKeys: string | undefined;
}

/** Says what would be put in place of what; or why nothing can be, before anybody is asked. */
async function sayWhatIsRestored(
  { say, values, config }: Call,
  { file, keys, exactKeys }: ToRestore,
): Promise<Outcome | undefined> {
  if (file !== undefined) {
    const backup = await describeBackup(file);
    if (backup === undefined) {
      return { kind: "refused", error: "not a backup", hint: "give the file that `houselights backup` wrote" };
    }
    const { madeAt, tables, sizeBytes } = backup;
    say(
      `database                the backup made ${instant(madeAt)}: ${numbered(tables, "table")}, ${figure(sizeBytes)} bytes`,
    );
    say("                        takes the place of all that is in the database now");
  }
  const folder = keysDirOf(config);
  if (keys !== undefined) {
    const aside = values["replace"] === true ? "; those that are there are put aside" : "";
    say(`keys                    ${keys} comes to ${folder}${aside}`);
  }
  if (exactKeys !== undefined) say(`exact keys              ${exactKeys} is added to those in ${folder}`);
  return undefined;
}

export const keepingCommands: readonly Command[] = [
  {
    words: ["mail", "dkim"],
    summary: "print the DNS records that let receivers check our letters' signatures",
    examples: ["houselights mail dkim"],
    run: ({ config, log }) =>
      withGround(config, log, async ({ keyholders }) => {
        const { domain } = readFrom(config.mailFrom);
        const records = (await keyholders.operator.dkimPublicKeys()).flatMap(
          ({ version, inUse, publicKey, ed25519PublicKey }) =>
            [
              // RFC 6376 section 3.6.1; the key is the DER that `p=` asks for.
              { algorithm: "rsa" as const, p: publicKey },
              // RFC 8463 section 4.2: the point alone.
              { algorithm: "ed25519" as const, p: ed25519PublicKey },
            ].map(({ algorithm, p }) => ({
              name: `${dkimSelector(version, algorithm)}._domainkey.${domain}`,
              type: "TXT",
              value: `v=DKIM1; k=${algorithm}; p=${p.toString("base64")}`,
              version,
              inUse,
            })),
        );
        return { kind: "done", json: { records }, lines: records.map(({ name, value }) => `${name}. TXT "${value}"`) };
      }),
  },
  {
    words: ["backup"],
    summary: "write the database to one file; with --keys, the keys to another; with --keys alone, only the keys",
    arguments: "[FILE] [--keys FILE] [--exact-keys FILE]",
    positionals: 1,
    options: { keys: { type: "string" }, "exact-keys": { type: "string" } },
    optionHelp: [
      ["--keys FILE", "also back up the keys, to be kept apart from the database"],
      ["--exact-keys FILE", "also back up what tells passwords from honeywords, to be kept apart from both"],
    ],
    examples: [
      "houselights backup /mnt/backup/houselights-2026-11-22",
      "houselights backup db.backup --keys /mnt/safe/keys.backup",
    ],
    run: async ({ config, log, positionals: [file], values }) => {
      const keys = textOf(values, "keys");
      const exactKeys = textOf(values, "exact-keys");
      const backUpKeys = async (): Promise<void> => {
        if (keys !== undefined) await backupKeys(keysDirOf(config), keys);
        if (exactKeys !== undefined) await backupExactKeys(keysDirOf(config), exactKeys);
      };
      // The host of a keyholder has keys and no database.
      if (file === undefined && (keys !== undefined || exactKeys !== undefined)) {
        await backUpKeys();
        return { kind: "done", lines: ["keys written: keep them apart from the database's backup"] };
      }
      if (file === undefined) return { kind: "usage", error: "a file is needed", hint: "houselights backup FILE" };
      // Keys are never replaced, which is better said before the database was written.
      for (const [option, path] of [
        ["--keys", keys],
        ["--exact-keys", exactKeys],
      ] as const) {
        if (path === undefined || !existsSync(path)) continue;
        return { kind: "refused", error: `${option}: the file exists already`, hint: "name another file" };
      }
      const writeBackup = (from: Db, signal: AbortSignal) =>
        showingProgress(stderr, { ...mebibytes, signal }, (progress) => backupDatabase(from, file, signal, progress));
      await expectService(config);
      const plain = await withDatabase(config, log, async (connection, signal) => {
        const db = openDb({ connection, log, maxConnections: 2 });
        const written = async () => {
          await expectTables(db);
          return (await liveCanaries(db)).length > 0 ? null : writeBackup(db, signal);
        };
        return written().finally(() => db.close());
      });
      // With canaries in it a backup gets its own, for which the keyholder is needed.
      const { summary, canaries } =
        plain !== null
          ? { summary: plain, canaries: null }
          : await withGround(config, log, async (ground, signal) => {
              const rotated = await rotateForBackup(plantNeeds(ground), "host");
              return { summary: await writeBackup(ground.db, signal), canaries: rotated };
            });
      await backUpKeys();
      return {
        kind: "done",
        json: { ...summary, canaries },
        lines: [
          ...(canaries === null
            ? []
            : [
                `canaries rotated to ${canaries.place}: ${figure(canaries.planted)} in, ${figure(canaries.retired)} out`,
              ]),
          ...summary.unfinished.removed.map((name) => `  removed ${name}, which a backup that was killed had left`),
          ...summary.unfinished.kept.map((name) => `  ${name} is unfinished: another backup writes it, or was killed`),
          `${numbered(summary.rows, "row")} of ${numbered(summary.tables, "table")}, ${figure(summary.sizeBytes)} bytes`,
          keys === undefined
            ? "  without the keys nothing in it can be read: back them up too (--keys), elsewhere"
            : "  keys written apart: keep the two files in different places",
          ...(exactKeys === undefined
            ? []
            : ["  exact keys written apart: kept with the keys they would silence the bell of cracked passwords"]),
        ],
      };
    },
  },
  {
    words: ["restore"],
    summary: "put a backup in place of the database, or of the keys",
    arguments: "FILE [--yes] | --keys FILE [--replace] | --exact-keys FILE",
    positionals: 1,
    options: {
      keys: { type: "string" },
      "exact-keys": { type: "string" },
      replace: { type: "boolean" },
      yes: { type: "boolean" },
    },
    optionHelp: [
      ["--keys FILE", "restore keys; the service must be stopped"],
      ["--exact-keys FILE", "add exact keys to those that are there; the service must be stopped"],
      ["--replace", "put the present keys aside for it"],
      ["--yes", "do not ask"],
    ],
    examples: ["houselights restore /mnt/backup/houselights-2026-11-22"],
    run: async (call) => {
      const { config, log, values, positionals } = call;
      const keys = textOf(values, "keys");
      const file = positionals[0];
      const exactKeys = textOf(values, "exact-keys");
      if (file === undefined && keys === undefined && exactKeys === undefined)
        return { kind: "usage", error: "a file is needed" };
      if (file !== undefined && !existsSync(file)) return { kind: "refused", error: "there is no such file" };
      if (values["yes"] !== true) {
        const refused = await sayWhatIsRestored(call, { file, keys, exactKeys });
        if (refused !== undefined) return refused;
      }
      const loses =
        file === undefined
          ? "the service must be stopped meanwhile; go on?"
          : "everything written since the backup is lost, and everybody is signed out; go on?";
      if (!(await confirmed(call, loses))) {
        return { kind: "refused", error: "nothing was touched", hint: "--yes restores without asking" };
      }
      try {
        if (keys !== undefined) {
          const sealing = await readSealing(config, keysDirOf(config));
          const seal = sealing === undefined ? undefined : sealBy({ random: systemRandom }, sealing);
          await restoreKeys(keys, keysDirOf(config), { replace: values["replace"] === true, seal });
        }
        if (exactKeys !== undefined) await restoreExactKeys(exactKeys, keysDirOf(config));
      } catch (thrown) {
        if (!(thrown instanceof Fault)) throw thrown;
        return { kind: "refused", error: messageOf(thrown) };
      }
      if (file === undefined) {
        const restored = [...(keys === undefined ? [] : ["keys"]), ...(exactKeys === undefined ? [] : ["exact keys"])];
        return { kind: "done", lines: [`${restored.join(" and ")} restored`] };
      }
      const outcome = await withDatabase(config, log, async (connection, signal) => {
        const db = openDb({ connection, log, maxConnections: 2 });
        try {
          return await showingProgress(stderr, { ...mebibytes, signal }, (progress) =>
            restoreOver(db, file, { clock: systemClock, random: systemRandom }, progress),
          );
        } finally {
          await db.close();
        }
      });
      if (outcome.kind === "refused") return { kind: "refused", error: outcome.reason, hint: outcome.hint };
      // The witness is asked at once, so that nothing old is served even if the service starts a moment later.
      const reconciled = await withGround(config, log, async ({ db }) =>
        db.one<{ epoch: number; passwordsRefused: boolean }>(
          `select max(epoch) as epoch,
                  exists (select from password)
                    and not exists (select from password where epoch >= (select epoch from floor where kind = 'password'))
                    as "passwordsRefused"
             from floor`,
        ),
      ).catch((thrown: unknown) => {
        if (thrown instanceof Fault && thrown.code === "DATABASE_UNKNOWN") return thrown;
        throw thrown;
      });
      if (reconciled instanceof Fault) {
        const [why, hint] = messageOf(reconciled).split("\n");
        return { kind: "refused", error: `restored, and not let in: ${why}`, ...(hint === undefined ? {} : { hint }) };
      }
      return {
        kind: "done",
        json: { ...outcome, ...reconciled },
        lines: [
          `${numbered(outcome.rows, "row")} of ${numbered(outcome.tables, "table")} restored`,
          "  every session, ticket, code and link of the backup is refused",
          reconciled?.passwordsRefused === true
            ? "  and so is every password of it: everybody renews theirs"
            : "  passwords changed since the backup are the old ones again: consider houselights incident contain --with-renewal",
        ],
      };
    },
  },
];
