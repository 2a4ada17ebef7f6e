import pg from "pg";
import { after, secondMs } from "../kernel/clock.ts";
import { tooManyConnections } from "./unavailable.ts";

/** How long a server that takes no further connection is not asked for one again. */
const growsAgainAfterMs = secondMs;

type Taken = (error: Error | undefined, client: pg.PoolClient | undefined, done: (release?: unknown) => void) => void;

/**
 * A pool that makes do with the connections it has while PostgreSQL takes no further one (SQLSTATE 53300: others use up its
 * `max_connections`, or the role's): whoever asks waits for one of these, as in a pool that is full. If it has none at all, whoever
 * asks gets the error at once.
 */
export class GrowingPool extends pg.Pool {
  readonly #most: number;
  /** Connections that stand; the pool's own count has those that are still being made. */
  readonly #made = new Set<pg.PoolClient>();

  constructor(options: pg.PoolConfig & { readonly max: number }) {
    super(options);
    this.#most = options.max;
    this.on("connect", (client) => {
      this.#made.add(client);
      client.once("end", () => this.#made.delete(client));
    });
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(taken: Taken): void;
  override connect(taken?: Taken): Promise<pg.PoolClient> | undefined {
    if (taken !== undefined) {
      super.connect((error, client, done) => {
        if (isRefused(error) && this.#makeDo()) this.connect(taken);
        else taken(error, client, done);
      });
      return undefined;
    }
    const { promise, resolve, reject } = Promise.withResolvers<pg.PoolClient>();
    this.connect((error, client) => {
      if (client === undefined) reject(error ?? new Error("no connection"));
      else resolve(client);
    });
    return promise;
  }

  /** Whether there is, or can be made, another connection than a first one. One that is made for the answer stays in the pool. */
  async hasAnother(): Promise<boolean> {
    if (this.#made.size > 1) return true;
    if (this.options.max === 1) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    super.connect((_error, client, done) => {
      done();
      resolve(client !== undefined);
    });
    return promise;
  }

  /** @returns false if there is no connection to wait for. */
  #makeDo(): boolean {
    if (this.#made.size === 0) return false;
    this.options.max = this.#made.size;
    after(growsAgainAfterMs, () => {
      this.options.max = this.#most;
    });
    return true;
  }
}

const isRefused = (error: Error | undefined): boolean =>
  error !== undefined && "code" in error && error.code === tooManyConnections;
