import { execFile, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { AccountId, IncidentId } from "../src/kernel/brand.ts";
import { systemClock, toDate } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { newId, systemRandom } from "../src/kernel/random.ts";
import { addressPlace, namePlace } from "../src/accounts/accounts.ts";
import type { Db } from "../src/db/db.ts";
import type { RunningPostgres } from "../src/db/embedded.ts";
import { freePort } from "../src/incidents/drill/free-port.ts";
import { freezeScope, startCampaign } from "../src/incidents/campaign.ts";
import { letterSum } from "../src/incidents/letter-sum.ts";
import { openIncident } from "../src/incidents/open.ts";
import { ordinaryPace } from "../src/incidents/walk.ts";
import type { KeyholderClient } from "../src/keyholder/client.ts";
import type { TestKeyholder } from "../src/keyholder/test-keyholder.ts";
import { encodeLetter } from "../src/mail/compose.ts";
import { writeLetter } from "../src/mail/templates.ts";
import { locales } from "../src/mail/locale.ts";
import type { Locale } from "../src/wire/common.ts";
import type { WalkerOrder } from "../test/campaign-walker.ts";
import { takeApart } from "../test/debian-program.ts";
import type { Bench, Measured } from "./bench.ts";
import { interleaved, median } from "./report.ts";
import {
  nodeOptions,
  openServiceDatabase,
  peerPath,
  startDurablePostgres,
  startKeyProcess,
  temporaryFolder,
} from "./surroundings.ts";

const run = promisify(execFile);

const sizes = {
  full: { letters: 100_000, few: 10_000, peer: 10_000, rounds: 3 },
  small: { letters: 1_000, few: 300, peer: 300, rounds: 1 },
} as const;
/** Receiving domains, so that each provider has its own pace and none is the only one. */
const domains = 50;

/**
 * A campaign's letters from the claim to the record, by a walk in a process of its own with the ordinary pace, into
 * Postfix' sink; beside it, into the same sink, nodemailer with its pool and DKIM, which claims, opens and records nothing,
 * and Postfix' own source, which does not even sign.
 */
export async function measureLetters(bench: Bench): Promise<Measured> {
  const { scale, say } = bench;
  const { letters, few, peer, rounds } = sizes[scale];
  const tools = await postfixTools(bench);
  const { port, pid: sinkPid } = await startSink(bench, tools);
  const postgres = await startDurablePostgres(bench);
  const keyholder = await startKeyProcess(bench);
  const db = await openServiceDatabase(bench, postgres, "letters");
  const web = await keyholder.connect("web");
  const mailer = await keyholder.connect("mailer");
  // Made before anything is timed: a key of 2048 bits takes up to a second.
  await mailer.dkimPublicKeys();

  say(`making ${letters.toLocaleString("en")} accounts`);
  const accounts = await fill(db, web, letters);
  const campaign = async (count: number): ReturnType<typeof walkCampaign> => {
    // All of them, or those that the case names.
    const named = count === letters ? null : accounts.slice(0, count);
    const walked = await walkCampaign({ bench, db, postgres, keyholder, port, sinkPid }, named, count);
    const [perSecond, mebibytes] = [Math.round(walked.perSecond), Math.round(walked.mebibytes)];
    say(`${count.toLocaleString("en")} letters: ${perSecond.toLocaleString("en")} a second, ${mebibytes} MiB`);
    return walked;
  };

  const letterBytes = await meanLetterBytes();
  say(`a campaign of ${few.toLocaleString("en")}, for its memory`);
  const small = await campaign(few);
  say(`${rounds} rounds of each`);
  const measured = await interleaved(rounds, {
    ours: () => campaign(letters),
    nodemailer: () => byNodemailer(bench, port, peer),
    smtpSource: () => bySmtpSource(tools, port, { count: letters, bytes: letterBytes, isReconnecting: false }),
    reconnecting: () => bySmtpSource(tools, port, { count: peer, bytes: letterBytes, isReconnecting: true }),
  });
  const lettersPerSecond = median(measured.ours.map((one) => one.perSecond));
  const mebibytes = median(measured.ours.map((one) => one.mebibytes));
  const cpuOf = (part: keyof Parts): number => median(measured.ours.map(({ cpuMs }) => cpuMs[part]));
  const nodemailerPerSecond = median(measured.nodemailer);
  const smtpSourcePerSecond = median(measured.smtpSource);
  const reconnectingPerSecond = median(measured.reconnecting);
  return {
    figures: {
      letters,
      lettersPerSecond,
      nodemailerPerSecond,
      smtpSourcePerSecond,
      lettersToNodemailer: lettersPerSecond / nodemailerPerSecond,
      lettersToSmtpSource: lettersPerSecond / smtpSourcePerSecond,
      reconnectingPerSecond,
      lettersToReconnecting: lettersPerSecond / reconnectingPerSecond,
      walkCpuMs: cpuOf("walk"),
      keyholderCpuMs: cpuOf("keyholder"),
      postgresCpuMs: cpuOf("postgres"),
      sinkCpuMs: cpuOf("sink"),
      letterBytes,
      mebibytes,
      mebibytesOfFew: small.mebibytes,
      memoryLargeToSmall: mebibytes / small.mebibytes,
    },
    what: {
      letters: "one to each account, over 50 receiving domains and five languages",
      lettersPerSecond: "claimed, opened, rendered, signed twice, handed over, recorded with their timeline entries",
      nodemailerPerSecond: `${peer.toLocaleString("en")} letters of the same words by its pool of 10, signed once by RSA-2048`,
      smtpSourcePerSecond: "as many letters of the same mean size, unsigned, over 10 connections that stay",
      lettersToNodemailer: "times as fast as nodemailer",
      lettersToSmtpSource: "share of what Postfix' own source does",
      reconnectingPerSecond: `${peer.toLocaleString("en")} by the same source as it is when nothing is asked of it: a connection for each letter`,
      lettersToReconnecting: "share of that",
      walkCpuMs: "of a processor for each letter: the walking process",
      keyholderCpuMs: "the keyholder, which signs",
      postgresCpuMs: "PostgreSQL",
      sinkCpuMs: "the sink",
      letterBytes: "mean of the five languages, with headers and signatures",
      mebibytes: "most resident memory of the walking process (VmHWM)",
      mebibytesOfFew: `the same for ${few.toLocaleString("en")} letters`,
      memoryLargeToSmall: `against a campaign of ${few.toLocaleString("en")}`,
    },
  };
}

interface Tools {
  readonly sink: string;
  readonly source: string;
  readonly environment: NodeJS.ProcessEnv;
}

/** Of the system, or out of Debian's package, which is taken apart and not installed. */
async function postfixTools(bench: Bench): Promise<Tools> {
  const installed = ["/usr/sbin", "/usr/bin", "/usr/libexec/postfix"].find((folder) =>
    existsSync(join(folder, "smtp-sink")),
  );
  if (installed !== undefined) {
    return { sink: join(installed, "smtp-sink"), source: join(installed, "smtp-source"), environment: process.env };
  }
  bench.say("smtp-sink is not installed; Debian's package postfix is fetched and taken apart");
  const folder = await temporaryFolder(bench);
  const files = await takeApart("postfix", folder).catch((thrown: unknown) => {
    const missing = "smtp-sink and smtp-source are missing: install Debian's package postfix, or its like";
    throw new Error(missing, { cause: thrown });
  });
  const at = join(files, "usr", "sbin");
  return {
    sink: join(at, "smtp-sink"),
    source: join(at, "smtp-source"),
    environment: { ...process.env, LD_LIBRARY_PATH: join(files, "usr", "lib", "postfix") },
  };
}

async function startSink(
  { onEnd }: Bench,
  { sink, environment }: Tools,
): Promise<{ port: number; pid: number | undefined }> {
  const port = await freePort();
  // As root it wants to be told which user to become.
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const child = spawn(sink, ["-4", ...user, `127.0.0.1:${port}`, "1000"], {
    env: environment,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString("utf8").slice(0, 500)));
  const gone = once(child, "close");
  onEnd(async () => {
    child.kill("SIGKILL");
    await gone;
  });
  for (let tries = 0; !(await isListening(port)); tries++) {
    if (child.exitCode !== null || tries > 200) throw new Error(`smtp-sink does not start: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return { port, pid: child.pid };
}

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });

/** Accounts with an address each, sealed by the keyholder as the service does it; what letters do not need is left out. */
async function fill(db: Db, keyholder: KeyholderClient, count: number): Promise<AccountId[]> {
  const now = systemClock.now();
  const all: AccountId[] = [];
  for (let from = 0; from < count; from += 500) {
    const rows = await Promise.all(
      Array.from({ length: Math.min(500, count - from) }, async (_, index) => {
        const id = newId<AccountId>(systemRandom, now);
        const dataKey = await keyholder.newDataKey(id);
        const address = `viewer-${from + index}@mail-${(from + index) % domains}.example`;
        const [sealed, name] = await Promise.all([
          keyholder.seal(dataKey, addressPlace(id), address),
          keyholder.seal(dataKey, namePlace(id), "A viewer"),
        ]);
        return { id, dataKey, sealed, name, locale: locales[(from + index) % locales.length] ?? "en" };
      }),
    );
    await db.run(
      `with made as (
         select * from unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::bytea[], $5::text[])
                    as made (id, data_key, sealed, name, locale)
       ), accounts as (
         insert into account (id, role, locale, data_key, sealed_name, created_at)
         select id, 'viewer', locale, data_key, name, $6 from made
       )
       insert into account_address (account_id, id, sealed, blind_index, epoch, confirmed_at)
       select id, uuidv7(), sealed, sha256(uuid_send(id)), 1, $6 from made`,
      [
        rows.map(({ id }) => id),
        rows.map(({ dataKey }) => dataKey),
        rows.map(({ sealed }) => sealed),
        rows.map(({ name }) => name),
        rows.map(({ locale }) => locale),
        toDate(now),
      ],
    );
    for (const { id } of rows) all.push(id);
  }
  await db.run("vacuum (analyze) account, account_address");
  return all;
}

interface Surroundings {
  readonly bench: Bench;
  readonly db: Db;
  readonly postgres: RunningPostgres;
  readonly keyholder: TestKeyholder;
  readonly port: number;
  readonly sinkPid: number | undefined;
}

/** Milliseconds of a processor. */
interface Parts {
  readonly walk: number;
  readonly keyholder: number;
  readonly postgres: number;
  readonly sink: number;
}

/** One campaign to all accounts or the named ones, frozen beforehand, walked in a process of its own. */
async function walkCampaign(
  { bench, db, postgres, keyholder, port, sinkPid }: Surroundings,
  named: readonly AccountId[] | null,
  count: number,
): Promise<{ perSecond: number; mebibytes: number; cpuMs: Parts }> {
  const service = { name: "House of Films", origin: "https://films.example", contact: "help@films.example" };
  const needs = { db, clock: systemClock, random: systemRandom, service, log: silentLog };
  await db.run(
    `update incident set state = 'closed', letters_finished_at = coalesce(letters_finished_at, now()) where state <> 'closed'`,
  );
  const opened = await openIncident(needs, { reason: "measured" }, "operator");
  if (opened.kind !== "opened") throw new Error("a case is in hand");
  const { incidentId } = opened;
  await db.run(
    `update incident set state = 'contained', containment = 'everyone-out', contained_at = now(), kept_tools = false,
            epoch = 2, scope_accounts = $2 where id = $1`,
    [incidentId, named],
  );
  await startCampaign({ ...needs, keyholder: await keyholder.connect("web") }, incidentId, "operator");
  await freezeScope(needs, incidentId, (systemClock.now() + 600_000) as ReturnType<typeof systemClock.now>);
  const order: WalkerOrder = {
    database: {
      host: String(postgres.connection.host),
      port: Number(postgres.connection.port ?? 5432),
      user: String(postgres.connection.user),
      database: String(db.pool.options.database),
    },
    socketPath: keyholder.socketPath,
    credential: Buffer.from(keyholder.credentials.mailer.reveal()).toString("base64"),
    relayUrl: `smtp://127.0.0.1:${port}`,
    incidentId,
    pace: ordinaryPace,
    isSigned: true,
  };
  const child = spawn(
    process.execPath,
    [...nodeOptions, fileURLToPath(new URL("../test/campaign-walker.ts", import.meta.url))],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const gone = once(child, "close");
  bench.onEnd(async () => {
    child.kill("SIGKILL");
    await gone;
  });
  let [started, ended, mebibytes] = [0, 0, 0];
  const cpu = async (): Promise<Parts> => ({
    walk: await cpuMs(child.pid),
    keyholder: await cpuMs(keyholder.pid()),
    postgres: await cpuMsOfFamily(postgres.pid),
    sink: await cpuMs(sinkPid),
  });
  let [before, after]: [Parts | undefined, Parts | undefined] = [undefined, undefined];
  for await (const line of createInterface({ input: (child.stdin.end(JSON.stringify(order)), child.stdout) })) {
    if (line === "walking") {
      started = performance.now();
      before = await cpu();
    }
    if (line !== "finished") continue;
    ended = performance.now();
    after = await cpu();
    mebibytes = await peakMebibytes(child.pid);
  }
  await gone;
  const sum = await letterSum(db, incidentId as IncidentId);
  if (sum?.handedOver !== count) throw new Error(`not every letter was handed over: ${JSON.stringify(sum)}`);
  if (before === undefined || after === undefined) throw new Error("the walk did not say when it began and ended");
  const each = (part: keyof Parts): number => (after[part] - before[part]) / count;
  return {
    perSecond: count / ((ended - started) / 1_000),
    mebibytes,
    cpuMs: { walk: each("walk"), keyholder: each("keyholder"), postgres: each("postgres"), sink: each("sink") },
  };
}

/** User and system time (`proc(5)`, fields 14 and 15, in hundredths of a second); of ended children too, if asked for. */
async function cpuMs(pid: number | undefined, withEnded = false): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields
    .slice(11, withEnded ? 15 : 13)
    .map(Number)
    .reduce((sum, ticks) => sum + ticks * 10, 0);
}

async function cpuMsOfFamily(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  const each = await Promise.all(
    children
      .trim()
      .split(" ")
      .map(Number)
      .map((child) => cpuMs(child)),
  );
  return each.reduce((sum, one) => sum + one, await cpuMs(pid, true));
}

/** The most memory that the process has had (VmHWM); asked while it still closes its connections. */
async function peakMebibytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) / 1_024;
}

const words = (locale: Locale = "en") =>
  writeLetter({ name: "House of Films", origin: "https://films.example", contact: "help@films.example" }, locale, {
    kind: "incident letter",
    notice: {
      reference: "HL-BENCH",
      copiedAt: null,
      foundAt: systemClock.now(),
      containedAt: systemClock.now(),
      containment: "everyone-out",
      keptTools: false,
      wayInClosedAt: null,
      dataClasses: ["addresses"],
      keysReachable: "no",
    },
  });

/** To, Date, Message-ID and two signatures. */
const ownBytes = 1_250;

async function meanLetterBytes(): Promise<number> {
  const sender = { name: "", address: "no-reply@films.example", domain: "films.example" };
  const encoded = await Promise.all(locales.map((locale) => encodeLetter(sender, words(locale))));
  const bytes = encoded.reduce((sum, { fields, body }) => sum + fields.length + body.length, 0);
  return Math.round(bytes / encoded.length + ownBytes);
}

/** In a process of its own, as a walk is. */
async function byNodemailer({ onEnd }: Bench, port: number, count: number): Promise<number> {
  const child = fork(peerPath("nodemailer"), {
    execArgv: [...nodeOptions],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const gone = once(child, "close");
  onEnd(async () => {
    child.kill("SIGKILL");
    await gone;
  });
  child.send({ port, count, domains, letter: words() });
  const perSecond = await new Promise<number>((resolve, reject) => {
    child.once("message", (rate: number) => resolve(rate));
    child.once("error", reject);
    child.once("close", (code) => reject(new Error(`nodemailer's process ended with ${code ?? "a signal"}`)));
  });
  await gone;
  return perSecond;
}

async function bySmtpSource(
  { source, environment }: Tools,
  port: number,
  {
    count,
    bytes,
    isReconnecting,
  }: { readonly count: number; readonly bytes: number; readonly isReconnecting: boolean },
): Promise<number> {
  const started = performance.now();
  // -d: connections stay open.
  const stays = isReconnecting ? [] : ["-d"];
  const letters = ["-s", "10", "-l", String(bytes), "-m", String(count)];
  const people = ["-f", "no-reply@films.example", "-t", "a@b.example"];
  await run(source, ["-4", ...stays, ...letters, ...people, `127.0.0.1:${port}`], { env: environment });
  return count / ((performance.now() - started) / 1_000);
}
