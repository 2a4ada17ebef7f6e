import type { Pool, PoolClient } from "pg";
import { minuteMs, secondMs, sleep } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import { translate } from "../db/unavailable.ts";

const firstPauseMs = secondMs / 20;
const longestPauseMs = secondMs / 2;
/** How long the pauses between tries may be in all: longer than PostgreSQL takes to recover. */
const longestWaitMs = 2 * minuteMs;

/**
 * A pool whose `connect` waits while the database, or the keyholder that is asked about it, is away, until `signal` aborts.
 *
 * For graphile-worker, which records the end of a job by a statement that it does not await: if there were no connection for that
 * statement, or its connection were lost, the rejection would be nobody's and end the process, with every letter on its way.
 */
export function patientPool(pool: Pool, signal: AbortSignal): Pool {
  async function connect(): Promise<PoolClient> {
    let waitedMs = 0;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        return await answering(pool);
      } catch (thrown) {
        waitedMs += pauseMs;
        if (signal.aborted || waitedMs > longestWaitMs || !isPassing(translate(thrown))) throw thrown;
        await sleep(pauseMs, signal);
      }
    }
  }
  return new Proxy(pool, {
    get: (target, name) => {
      const found: unknown = Reflect.get(target, name, target);
      if (typeof found !== "function") return found;
      // With a callback the caller judges by itself.
      if (name === "connect")
        return (...given: unknown[]) => (given.length === 0 ? connect() : found.apply(target, given));
      return found.bind(target);
    },
  });
}

/** A connection that answers: one that was idle when the database went away may not have heard of it. */
async function answering(pool: Pool): Promise<PoolClient> {
  const client = await pool.connect();
  try {
    await client.query("select 1");
    return askedAgain(client);
  } catch (thrown) {
    client.release(true);
    throw thrown;
  }
}

/** `cannot_connect_now`: one of the codes after which graphile-worker asks again, over another connection. */
const comeAgain = "57P03";

/**
 * The same connection, whose statements fail with that code when the database goes away under them, so that they are asked again. Each
 * may run twice: recording an end once more changes nothing, and a job that was fetched by an answer that was lost is unlocked
 * (`keepAlive`).
 */
function askedAgain(client: PoolClient): PoolClient {
  const ask = client.query.bind(client) as (...given: unknown[]) => Promise<unknown>;
  const query = async (...given: unknown[]): Promise<unknown> => {
    try {
      return await ask(...given);
    } catch (thrown) {
      if (!isPassing(translate(thrown))) throw thrown;
      throw Object.assign(new Error(messageOf(thrown), { cause: thrown }), { code: comeAgain });
    }
  };
  return new Proxy(client, {
    get: (target, name) => {
      if (name === "query") return query;
      const found: unknown = Reflect.get(target, name, target);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

const isPassing = (thrown: unknown): boolean =>
  thrown instanceof Fault && (thrown.code === "DB_UNAVAILABLE" || thrown.code === "KEYHOLDER_UNAVAILABLE");
