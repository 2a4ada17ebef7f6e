import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * Requests of one connection that wait for their answers at once. Nobody pipelines: a browser asks over several connections, a
 * proxy one after another.
 */
export const mostUnanswered = 8;

/**
 * Counts the requests of each connection that wait for their answers. Node begins all that arrive together, a thousand in one packet:
 * with a hundred such connections 20,000 requests were under way, everybody else waited for ten seconds, and answers that nobody read
 * filled the memory.
 *
 * @returns a function that says whether a request is taken. Where too many wait already it closes the connection.
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
