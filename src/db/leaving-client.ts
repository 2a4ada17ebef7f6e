import type { Socket } from "node:net";
import pg from "pg";
import { after, secondMs } from "../kernel/clock.ts";

/** PostgreSQL closes a connection that says goodbye within milliseconds. */
const goodbyeMs = 2 * secondMs;

/** A connection's socket, which the driver's types do not name. */
export const streamOf = (client: pg.ClientBase): Socket =>
  (client as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream;

/**
 * A connection that ends when it is told to: the driver says goodbye and waits until PostgreSQL closes, which one that is stopped, or
 * behind a network that swallows, never does. A process would not stop, and a command not return.
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
