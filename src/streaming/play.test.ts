import { expect, test } from "vitest";
import { testStreaming } from "../../test/streaming-fixture.ts";
import type { Grant } from "../wire/titles.ts";

const { app, db, viewers } = await testStreaming({
  put: async (library) => {
    await library.put("Heat (1995).mp4");
    await library.put("Ronin (1998).mkv", library.otherClip);
  },
});

/** The lines of a playlist that name something: media lines, and the URI of each tag. */
function named(playlist: string): string[] {
  return playlist
    .split("\n")
    .flatMap((line) =>
      line.startsWith("#") ? (/URI="([^"]+)"/.exec(line)?.[1] ?? []) : line.trim() === "" ? [] : line,
    );
}

test.each(["Heat", "Ronin"])(
  "%s plays through its grant, from the master playlist to every segment it names",
  async (name) => {
    const session = viewers.signIn();
    const title = await db.one<{ id: string }>(`select id from title where name = $1`, [name]);
    const granted = await app.inject({
      method: "POST",
      url: `/api/titles/${title?.id}/grants`,
      headers: session.headers,
    });
    const { playlist } = granted.json<Grant>();
    const seen = new Set<string>();
    const bodies: number[] = [];
    const follow = async (path: string): Promise<void> => {
      // Renditions that are encoded on demand are the transcoder's own tests' concern.
      if (seen.has(path) || path.includes("/transcode/")) return;
      seen.add(path);
      const reply = await app.inject({ url: path });
      expect([path.split("/").slice(3).join("/"), reply.statusCode]).toEqual([path.split("/").slice(3).join("/"), 200]);
      expect(reply.headers["cache-control"]).toBe("private, no-store");
      bodies.push(reply.rawPayload.length);
      if (!path.endsWith(".m3u8")) return;
      for (const next of named(reply.body)) await follow(new URL(next, `http://x${path}`).pathname);
    };
    await follow(playlist);
    expect(seen.size).toBeGreaterThanOrEqual(5);
    expect(Math.min(...bodies)).toBeGreaterThan(0);
    viewers.end(session.viewer.sessionId);
    for (const path of seen) expect((await app.inject({ url: path })).statusCode).toBe(403);
  },
);

test("a good grant leads to its film and nowhere else, however the path is spelled", async () => {
  const session = viewers.signIn();
  const title = await db.one<{ id: string }>(`select id from title where name = 'Heat'`);
  const granted = await app.inject({
    method: "POST",
    url: `/api/titles/${title?.id}/grants`,
    headers: session.headers,
  });
  const { playlist } = granted.json<Grant>();
  const base = playlist.slice(0, playlist.lastIndexOf("/"));
  expect((await app.inject({ url: playlist })).statusCode).toBe(200);
  const names = [
    "../../etc/passwd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "video/..%2f..%2f..%2fclip.mp4",
    "video/%2e%2e%2finit.mp4",
    "video%2finit.mp4%00.m3u8",
    "%5c..%5c..%5cetc",
    "/etc/passwd",
    "video/",
    "video/-1.m4s",
    "video/1e3.m4s",
    "video/99999999999999999999.m4s",
    "audio/7/playlist.m3u8",
    "subtitles/..%2f0.vtt",
    "transcode/..%2fx/playlist.m3u8",
    "Heat (1995).mp4",
    "x".repeat(3_000),
  ];
  for (const name of names) {
    const { statusCode, body, headers } = await app.inject({ url: `${base}/${encodeURI(decodeURI(name))}` });
    expect([name, statusCode, headers["content-type"]]).toEqual([
      name,
      expect.toSatisfy((status: number) => [400, 403, 404].includes(status)),
      "application/problem+json",
    ]);
    expect(body).not.toMatch(/root:|ENOENT/);
  }
});
