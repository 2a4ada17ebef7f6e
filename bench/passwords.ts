import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import type { EpochMs } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { breachedFileIn, openBreached } from "../src/credentials/breached/breached.ts";
import { openFilterFile } from "../src/credentials/breached/file.ts";
import { loadBreached } from "../src/credentials/breached/load.ts";
import type { Bench, Measured } from "./bench.ts";
import { median, quantile } from "./report.ts";

const sizes = {
  full: { small: 1_000_000, large: 10_000_000, questions: 100_000 },
  small: { small: 20_000, large: 200_000, questions: 5_000 },
} as const;

/** The list of breached passwords: how long it takes to build, what it weighs, what a question costs, how often it errs. */
export async function measurePasswords({ scale, say, onEnd }: Bench): Promise<Measured> {
  const { small, large, questions } = sizes[scale];
  const dataDir = await mkdtemp(join(tmpdir(), "houselights-bench-"));
  onEnd(() => rm(dataDir, { recursive: true, force: true }));
  const path = breachedFileIn(dataDir);
  const build = async (count: number) => {
    say(`writing ${count.toLocaleString("en")} made-up hashes`);
    const list = join(dataDir, "list.txt");
    const known = await writeList(list, count, questions);
    const before = process.memoryUsage.rss();
    let most = before;
    const begun = performance.now();
    const outcome = await loadBreached({
      lists: [list],
      path,
      now: 0 as EpochMs,
      progress: () => (most = Math.max(most, process.memoryUsage.rss())),
    });
    const seconds = (performance.now() - begun) / 1_000;
    if (outcome.kind !== "loaded" || outcome.passwords !== count) throw new Error("the list was not loaded");
    return { seconds, bytes: outcome.bytes / count, known, mebibytes: (most - before) / 2 ** 20 };
  };
  const first = await build(small);
  const { seconds, bytes, known, mebibytes } = await build(large);

  say("asking for what is in it, and for what is not");
  const filter = openFilterFile(path);
  const missed = known.filter((sha1) => filter?.holds(sha1) !== true).length;
  filter?.close();
  const breached = openBreached(dataDir, silentLog);
  const times: number[] = [];
  let mistaken = 0;
  for (let i = 0; i < questions; i++) {
    const password = `a password that nobody has, number ${i}`;
    const begun = performance.now();
    if (breached.holds(password)) mistaken++;
    times.push((performance.now() - begun) * 1_000);
  }
  breached.close();
  return {
    figures: {
      bytesPerPassword: bytes,
      lookupUs: median(times),
      lookupP95Us: quantile(times, 0.95),
      missed,
      mistakenPerMillion: (mistaken / questions) * 1_000_000,
      buildSmallSeconds: first.seconds,
      buildLargeSeconds: seconds,
      passwordsPerSecond: large / seconds,
      buildMebibytes: mebibytes,
    },
    what: {
      bytesPerPassword: `of the file, for ${large.toLocaleString("en")} passwords`,
      lookupUs: "one password, its SHA-1, the look at the file's age and the read included",
      lookupP95Us: "the same, 95 of 100",
      missed: `of ${known.length.toLocaleString("en")} passwords of the list`,
      mistakenPerMillion: `strangers taken for breached, from ${questions.toLocaleString("en")}; 1,953 expected`,
      buildSmallSeconds: `building from ${small.toLocaleString("en")} hashes`,
      buildLargeSeconds: `building from ${large.toLocaleString("en")} hashes`,
      passwordsPerSecond: "the same, as a rate",
      buildMebibytes: "how far the resident memory rose during the larger build",
    },
  };
}

/** Writes different hashes in rising order without sorting: each has its stretch of the first 48 bits. @returns some of them. */
async function writeList(path: string, count: number, wanted: number): Promise<Buffer[]> {
  const known: Buffer[] = [];
  const file = createWriteStream(path, { highWaterMark: 1 << 20 });
  const stretch = Math.floor(2 ** 48 / count);
  const every = Math.max(1, Math.floor(count / wanted));
  for (let done = 0; done < count;) {
    const here = Math.min(10_000, count - done);
    const bytes = Buffer.from(systemRandom.bytes(here * 20));
    let text = "";
    for (let i = 0; i < here; i++) {
      const sha1 = bytes.subarray(i * 20, i * 20 + 20);
      sha1.writeUIntBE((done + i) * stretch + (sha1.readUIntBE(0, 6) % stretch), 0, 6);
      if ((done + i) % every === 0) known.push(Buffer.from(sha1));
      text += `${sha1.toString("hex").toUpperCase()}:1\r\n`;
    }
    done += here;
    if (!file.write(text)) await once(file, "drain");
  }
  file.end();
  await once(file, "close");
  return known;
}
