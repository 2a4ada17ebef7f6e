import { Readable } from "node:stream";
import { secondMs, sleep } from "../kernel/clock.ts";

/** Below what proxies wait for an answer that says nothing; our own server waits for five minutes. */
const silenceMs = 20 * secondMs;

/**
 * An answer that may take minutes to make. Made soon, it is the text itself; else a stream that begins with a space now and
 * then, so that nobody on the way takes the connection for dead. White space may stand before JSON (RFC 8259 section 2) and
 * before a document's type (HTML, "Writing HTML documents"). What fails after that breaks the connection off, since the
 * status is gone.
 */
export async function longAnswer(making: Promise<string>, everyMs: number = silenceMs): Promise<string | Readable> {
  const isMade = async (): Promise<boolean> => {
    const waiting = new AbortController();
    const isLate = sleep(everyMs, waiting.signal).then(() => false);
    return Promise.race([making.then(() => true), isLate]).finally(() => waiting.abort());
  };
  if (await isMade()) return making;
  async function* spaced(): AsyncGenerator<string> {
    do yield " ";
    while (!(await isMade()));
    yield await making;
  }
  return Readable.from(spaced());
}
