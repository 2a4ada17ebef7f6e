import type { FastifyReply } from "fastify";

/** Calls `left` when whoever asked has closed the connection, or has been answered; at once if they had closed it before. */
export function whenLeft({ raw }: FastifyReply, left: () => void): void {
  // Somebody who leaves while they are judged: "close" has been, and does not come again.
  if (raw.destroyed) left();
  else raw.once("close", left);
}
