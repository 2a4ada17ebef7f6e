import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { testStreaming } from "../../test/streaming-fixture.ts";
import { parseId, type FileId } from "../kernel/brand.ts";
import { silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { libraryTasks } from "../library/tasks.ts";
import { scrubFolder, scrubName, writePictures } from "../library/scrub/picture-file.ts";
import type { Grant } from "../wire/titles.ts";
import { scrubAnswer } from "./scrub-answers.ts";

const { db, app, viewers, library } = await testStreaming({
  put: (films) => films.put("Heat (1995).mp4"),
});

type SignedIn = ReturnType<typeof viewers.signIn>;

async function grantFor({ headers }: SignedIn): Promise<Grant> {
  const id = (await db.one<{ id: string }>(`select id from title`))?.id;
  const reply = await app.inject({ method: "POST", url: `/api/titles/${id}/grants`, headers });
  expect(reply.statusCode).toBe(201);
  return reply.json<Grant>();
}
const statusOf = async (url: string) => (await app.inject({ url })).statusCode;
const folderOf = ({ playlist }: Grant) => playlist.replace("master.m3u8", "scrub/");

test("a film without pictures plays, and its grant names none", async () => {
  const grant = await grantFor(viewers.signIn());
  expect(grant.pictures).toBeNull();
  expect(await statusOf(grant.playlist)).toBe(200);
  expect(await statusOf(`${folderOf(grant)}cues.vtt`)).toBe(404);
  expect(await statusOf(`${folderOf(grant)}0.jpg`)).toBe(404);
});

test("every byte of a picture is judged as a segment is: with the grant of a living session, and never stored", async () => {
  for (const task of libraryTasks(library.needs)) {
    const signal = new AbortController().signal;
    await task.run({}, { log: silentLog, signal, attempt: 1, maxAttempts: 1, jobId: "1" });
  }
  const session = viewers.signIn();
  const grant = await grantFor(session);
  expect(grant.pictures).toBe(`${folderOf(grant)}cues.vtt`);
  const cues = await app.inject({ url: grant.pictures ?? "" });
  expect(cues.statusCode).toBe(200);
  expect(cues.headers).toMatchObject({
    "cache-control": "private, no-store",
    "content-type": "text/vtt; charset=utf-8",
  });
  const [, name] = /\n(\d+\.jpg)#xywh=0,0,256,144\n/.exec(cues.body) ?? expect.fail(cues.body);
  const sheet = await app.inject({ url: `${folderOf(grant)}${name}` });
  expect(sheet.statusCode).toBe(200);
  expect(sheet.headers).toMatchObject({
    "cache-control": "private, no-store",
    "content-type": "image/jpeg",
    "x-content-type-options": "nosniff",
  });
  expect(sheet.rawPayload.subarray(0, 3)).toEqual(Buffer.from([0xff, 0xd8, 0xff]));

  for (const other of ["1.jpg", "00.jpg", "100.jpg", "cues.vtt.jpg", "0.png", "x/0.jpg"]) {
    expect(await statusOf(`${folderOf(grant)}${other}`)).toBe(404);
  }
  const stranger = await grantFor(viewers.signIn());
  viewers.end(session.viewer.sessionId);
  for (const dark of ["cues.vtt", "0.jpg", "1.jpg"]) {
    const reply = await app.inject({ url: `${folderOf(grant)}${dark}`, headers: session.headers });
    expect([reply.statusCode, reply.json()]).toMatchObject([403, { code: "grant-refused" }]);
  }
  expect(await statusOf(`${folderOf(stranger)}0.jpg`)).toBe(200);
  expect(await statusOf("/media/scrub/0.jpg")).toBe(403);
});

test("the grant of a film that changed names no pictures until those of the new one are made", async () => {
  const before = await grantFor(viewers.signIn());
  expect(await statusOf(`${folderOf(before)}0.jpg`)).toBe(200);
  await library.put("Heat (1995).mp4", library.clip);
  await library.scan();
  const after = await grantFor(viewers.signIn());
  expect(after.pictures).toBeNull();
});

test("each cue names the part of the sheet that its picture is, five in a row and 25 in a sheet", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "houselights-scrub-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  await mkdir(scrubFolder(dataDir));
  const film = { fileId: parseId<FileId>("0190a0a0-0000-7000-8000-000000000002")!, fingerprint: "1-2-3" };
  // Of place 3 there is none: it could not be read.
  const places = Array.from({ length: 28 }, (_none, place) => place).filter((place) => place !== 3);
  const layout = { durationSeconds: 280.5, everySeconds: 10, places, width: 256, height: 144 };
  const sheets = ["first", "second"].map((text) => Buffer.from(text));
  await writePictures({ random: systemRandom, dataDir }, scrubName(film.fileId, film.fingerprint), { layout, sheets });
  const bodyOf = async (name: string): Promise<string> => {
    const answer = await scrubAnswer(dataDir, film, name);
    return answer.kind === "found" ? answer.body.toString() : answer.kind;
  };
  const [head, ...cues] = (await bodyOf("cues.vtt")).trimEnd().split("\n\n");
  expect([head, cues.length]).toEqual(["WEBVTT", 27]);
  expect([0, 2, 3, 5, 24, 25, 26].map((number) => cues[number])).toEqual([
    "00:00:00.000 --> 00:00:10.000\n0.jpg#xywh=0,0,256,144",
    "00:00:20.000 --> 00:00:30.000\n0.jpg#xywh=512,0,256,144",
    "00:00:40.000 --> 00:00:50.000\n0.jpg#xywh=768,0,256,144",
    "00:01:00.000 --> 00:01:10.000\n0.jpg#xywh=0,144,256,144",
    "00:04:10.000 --> 00:04:20.000\n0.jpg#xywh=1024,576,256,144",
    "00:04:20.000 --> 00:04:30.000\n1.jpg#xywh=0,0,256,144",
    "00:04:30.000 --> 00:04:40.500\n1.jpg#xywh=256,0,256,144",
  ]);
  expect([await bodyOf("0.jpg"), await bodyOf("1.jpg"), await bodyOf("2.jpg")]).toEqual(["first", "second", "missing"]);
});
