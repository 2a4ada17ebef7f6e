import { mkdtemp, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseId, type FileId } from "../kernel/brand.ts";
import { manualClock, minuteMs } from "../kernel/clock.ts";
import { fingerprintOf } from "../library/walk.ts";
import { startFileLooks } from "./file-looks.ts";
import { startHotSegments, type HotSegments } from "./hot-segments.ts";
import type { MediaAnswer } from "./routes.ts";

const fileId = parseId<FileId>("0190a0a0-0000-7000-8000-000000000002")!;
const never = new AbortController().signal;
const segmentBytes = 1_000;

let folder: string;
let path: string;
let file: { readonly fileId: FileId; readonly fingerprint: string };

const fingerprintNow = async (): Promise<string> => fingerprintOf(await stat(path, { bigint: true }));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "houselights-hot-"));
  path = join(folder, "film.mp4");
  await writeFile(path, "a film");
  file = { fileId, fingerprint: await fingerprintNow() };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const segment = (bytes = segmentBytes): MediaAnswer => ({
  kind: "found",
  contentType: "video/mp4",
  body: Buffer.alloc(bytes, 1),
  etag: '"1"',
});

/** Keeps three segments. */
const keeping = (more: Partial<Parameters<typeof startHotSegments>[0]> = {}): HotSegments =>
  startHotSegments({
    maxBytes: 3 * segmentBytes,
    looks: startFileLooks(),
    clock: manualClock(Date.UTC(2026, 10, 26)),
    ...more,
  });

/** @returns whether the segment had to be made. */
async function isMade(hot: HotSegments, name: string, bytes = segmentBytes): Promise<boolean> {
  let made = false;
  const answer = await hot.resource(file, path, name, never, async () => {
    made = true;
    return segment(bytes);
  });
  expect(answer).toMatchObject({ kind: "found", body: { length: bytes } });
  return made;
}

test("holds no more than its bound: what was asked for longest ago goes first, and what is larger is not kept", async () => {
  const hot = keeping();
  for (const name of ["0", "1", "2"]) expect(await isMade(hot, name)).toBe(true);
  expect(hot.counts().bytes).toBe(3 * segmentBytes);
  expect(await isMade(hot, "0")).toBe(false);
  expect(await isMade(hot, "3")).toBe(true);
  expect(hot.counts().bytes).toBe(3 * segmentBytes);
  expect([await isMade(hot, "0"), await isMade(hot, "2"), await isMade(hot, "3")]).toEqual([false, false, false]);
  expect(await isMade(hot, "1")).toBe(true);
  expect(await isMade(hot, "large", 3 * segmentBytes + 1)).toBe(true);
  expect(await isMade(hot, "large", 3 * segmentBytes + 1)).toBe(true);
  expect(hot.counts()).toEqual({ bytes: 3 * segmentBytes, sent: 4, made: 7 });
  expect(await isMade(hot, "one and a half", 1.5 * segmentBytes)).toBe(true);
  expect(hot.counts().bytes).toBe(2.5 * segmentBytes);
  await hot.close();
});

test("with no room nothing is kept, and requests for one segment at one time still share its making", async () => {
  const hot = keeping({ maxBytes: 0 });
  expect(await isMade(hot, "0")).toBe(true);
  expect(await isMade(hot, "0")).toBe(true);
  const together = await Promise.all(Array.from({ length: 10 }, () => isMade(hot, "0")));
  expect(together.filter(Boolean)).toHaveLength(1);
  expect(hot.counts()).toEqual({ bytes: 0, sent: 0, made: 3 });
  await hot.close();
});

test("what could not be made is not kept, and whoever waited learns it", async () => {
  const hot = keeping();
  const unreadable = { kind: "unreadable", message: "cut short" } as const;
  const ask = (make: () => Promise<MediaAnswer>) => hot.resource(file, path, "0", never, make);
  expect(await Promise.all([ask(async () => unreadable), ask(async () => segment())])).toEqual([
    unreadable,
    unreadable,
  ]);
  await expect(ask(() => Promise.reject(new Error("too many reads wait")))).rejects.toThrow("too many reads wait");
  expect(await isMade(hot, "0")).toBe(true);
  await hot.close();
});

test("a making goes on while anybody waits; when the last has left it is stopped, and the next one begins anew", async () => {
  const hot = keeping();
  const signals: AbortSignal[] = [];
  const make = (signal: AbortSignal): Promise<MediaAnswer> => {
    signals.push(signal);
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("nobody waits any more")));
      if (signals.length > 1) resolve(segment());
    });
  };
  const [one, other] = [new AbortController(), new AbortController()];
  const both = Promise.allSettled([one, other].map(({ signal }) => hot.resource(file, path, "0", signal, make)));
  one.abort();
  expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
  other.abort();
  const late = hot.resource(file, path, "0", never, make);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  expect(await late).toEqual(segment());
  expect((await both).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(await isMade(hot, "0")).toBe(false);
  await hot.close();
});

test("a making that nobody waits for any more takes no other's place, and is not counted twice", async () => {
  const hot = keeping();
  const madeTwice = async (name: string, first: MediaAnswer): Promise<void> => {
    const makings: PromiseWithResolvers<MediaAnswer>[] = [];
    const ask = (signal: AbortSignal) =>
      hot.resource(file, path, name, signal, () => {
        const making = Promise.withResolvers<MediaAnswer>();
        makings.push(making);
        return making.promise;
      });
    const leaving = new AbortController();
    const left = ask(leaving.signal);
    leaving.abort();
    const next = ask(never);
    makings[0]?.resolve(first);
    await left;
    const last = ask(never);
    for (const making of makings) making.resolve(segment());
    expect(await Promise.all([next, last])).toEqual([segment(), segment()]);
    expect(makings).toHaveLength(2);
  };
  await madeTwice("0", { kind: "unreadable", message: "nobody waited" });
  await madeTwice("1", segment());
  expect(hot.counts().bytes).toBe(2 * segmentBytes);
  await hot.close();
});

test("what somebody asks for who has left already is made for nobody", async () => {
  const hot = keeping();
  let isStopped = false;
  await hot.resource(file, path, "0", AbortSignal.abort(), async (signal) => {
    // Begun before it is known whether anybody stays for it.
    await Promise.resolve();
    isStopped = signal.aborted;
    return { kind: "busy" };
  });
  expect(isStopped).toBe(true);
  await hot.close();
});

test("what is let go while the disk is looked at does not come back without being counted", async () => {
  const answer = Promise.withResolvers<string>();
  const disk = startFileLooks();
  let look = (at: string): Promise<string | undefined> => disk.fingerprint(at);
  const hot = keeping({ looks: { fingerprint: (at) => look(at) }, maxBytes: segmentBytes });
  await isMade(hot, "0");
  look = () => answer.promise;
  const asked = isMade(hot, "0");
  look = (at) => disk.fingerprint(at);
  expect(await isMade(hot, "1")).toBe(true);
  answer.resolve(file.fingerprint);
  // It is good all the same, and the room is the other's by now.
  expect(await asked).toBe(false);
  expect(hot.counts().bytes).toBe(segmentBytes);
  expect([await isMade(hot, "1"), await isMade(hot, "0")]).toEqual([false, true]);
  await hot.close();
});

test("what nobody asks for is let go after five minutes, counted from when somebody last did", async () => {
  const clock = manualClock(Date.UTC(2026, 10, 26));
  const hot = keeping({ clock, sweepMs: 2 });
  await isMade(hot, "0");
  await isMade(hot, "1");
  clock.advance(3 * minuteMs);
  expect(await isMade(hot, "1")).toBe(false);
  clock.advance(2 * minuteMs + 1);
  await expect.poll(() => hot.counts().bytes).toBe(segmentBytes);
  expect(await isMade(hot, "1")).toBe(false);
  await hot.close();
});

test("a file that was changed or taken away is not answered from memory, and comes back when it is the same again", async () => {
  const hot = keeping();
  await isMade(hot, "0");
  expect(await isMade(hot, "0")).toBe(false);
  const { mtime } = await stat(path);
  await utimes(path, mtime, new Date(mtime.getTime() + 1_000));
  expect(await isMade(hot, "0")).toBe(true);
  await rm(path);
  expect(await isMade(hot, "0")).toBe(true);
  await writeFile(path, "a film");
  file = { fileId, fingerprint: await fingerprintNow() };
  expect(await isMade(hot, "0")).toBe(true);
  expect(await isMade(hot, "0")).toBe(false);
  await hot.close();
});

test("a disk that hangs takes two looks and no more; who asks is told nothing is there, until it answers again", async () => {
  const begun: string[] = [];
  const disk = Promise.withResolvers<string>();
  const looks = startFileLooks({
    patienceMs: 20,
    look: (at) => {
      begun.push(at);
      return at === "/good" ? Promise.resolve("1-2-3") : disk.promise;
    },
  });
  // A machine that is slow for those 20 ms answers the next time.
  const good = () => looks.fingerprint("/good");
  await expect.poll(good).toBe("1-2-3");
  begun.length = 0;
  const hung = ["/a", "/b", "/c", "/d", "/a", "/good"].map((at) => looks.fingerprint(at));
  expect(await Promise.all(hung)).toEqual(Array.from({ length: 6 }, () => undefined));
  expect(begun).toEqual(["/a", "/b"]);
  // Whoever asked has been told; nobody is looked for on their behalf when the disk is back.
  disk.resolve("4-5-6");
  await expect.poll(good).toBe("1-2-3");
  expect(new Set(begun.slice(2))).toEqual(new Set(["/good"]));
});

test("questions that come together share one look; one that comes after it began has its own", async () => {
  let begun = 0;
  const held = Promise.withResolvers<string>();
  const looks = startFileLooks({
    patienceMs: minuteMs,
    look: () => {
      begun++;
      return begun === 1 ? held.promise : Promise.resolve("after");
    },
  });
  const together = [looks.fingerprint("/film"), looks.fingerprint("/film")];
  await expect.poll(() => begun).toBe(1);
  expect(await looks.fingerprint("/film")).toBe("after");
  held.resolve("before");
  expect(await Promise.all(together)).toEqual(["before", "before"]);
  expect(begun).toBe(2);
});
