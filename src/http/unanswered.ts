import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * Requests of one connection that wait for their answers at once. Nobody pipelines: a browser asks over several connections, a
 * proxy one after another.
 */
export const mostUnanswered = 8;

/**
 * Counts the requests of each connection that wait. Node begins all that have come at once, a thousand in one packet: a hundred
 * connections were 20,000 requests under way, whoever else came waited for ten seconds, and what was answered and not read filled the
 * memory.
 *
 * @returns what says of a request whether it is taken. Where too many wait already the connection is closed, and whoever sent them
 * begins anew.
 */
export function countUnanswered(): (socket: Socket, response: ServerResponse) => boolean {
  const waiting = new WeakMap<Socket, number>();
  return (socket, response) => {
    const before = waiting.get(socket) ?? 0;
    if (before >= mostUnanswered || socket.destroyed) {
      socket.destroy();
      return false;
    }
    waiting.set(socket, before + 1);
    // However it ends, and whoever answers it.
    response.once("close", () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1));
    return true;
  };
}
