import { expect, test } from "vitest";
import { sessionCookie } from "../src/http/cookies.ts";
import { streamsPerSession } from "../src/sessions/push.ts";
import { goodPassword, testService } from "./service.ts";

const service = await testService();
const port = await service.web.listen("127.0.0.1", 0);
await service.account("ada@example.org", goodPassword);

interface Stream {
  /** Everything it said, when it has ended. */
  readonly whole: Promise<string>;
  readonly leave: () => void;
}

async function open(token: string): Promise<Stream> {
  const leaving = new AbortController();
  const answer = await fetch(`http://127.0.0.1:${port}/api/events`, {
    headers: { cookie: `${sessionCookie}=${token}` },
    signal: leaving.signal,
  });
  expect(answer.status).toBe(200);
  return { whole: answer.text(), leave: () => leaving.abort() };
}

test("one session holds a few event streams: the oldest ends for the newest, and others stay", async () => {
  const [busy, quiet] = [
    await service.signIn("ada@example.org", goodPassword),
    await service.signIn("ada@example.org", goodPassword),
  ];
  const other = await open(quiet);
  const first = await open(busy);
  const rest: Stream[] = [];
  for (let i = 0; i < streamsPerSession; i++) rest.push(await open(busy));
  // Ended without a reason: its session is good, and a page that is still there connects again.
  expect(await first.whole).not.toContain("event: ended");
  // Those that were kept hear of the end of their session; the other session goes on.
  const answer = await service.call("DELETE", "/api/sessions?except=current", { cookies: { [sessionCookie]: quiet } });
  expect(answer.status).toBe(200);
  for (const { whole } of rest) expect(await whole).toContain('"reason":"signed-out"');
  other.leave();
  await expect(other.whole).rejects.toThrow();
});
