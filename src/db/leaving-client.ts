import type { Socket } from "node:net";
import pg from "pg";
import { after, secondMs } from "../kernel/clock.ts";

/** PostgreSQL closes a connection that says goodbye within milliseconds. */
const goodbyeMs = 2 * secondMs;

/** A connection's socket, which the driver's types do not name. */
export const streamOf = (client: pg.ClientBase): Socket =>
  (client as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream;

/**
 * A connection whose `end` always ends: the driver says goodbye and waits until PostgreSQL closes the connection, which a stopped
 * server, or one behind a network that drops packets, never does. The process would not stop, and a command not return.
 */
export class LeavingClient extends pg.Client {
  override end(): Promise<void>;
  override end(ended: (error: Error) => void): void;
  override end(ended?: (error: Error) => void): Promise<void> | undefined {
    this.once(
      "end",
      after(goodbyeMs, () => streamOf(this).destroy()),
    );
    if (ended === undefined) return super.end();
    super.end(ended);
    return undefined;
  }
}
