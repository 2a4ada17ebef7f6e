import { toIso } from "../kernel/clock.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { App } from "../http/server.ts";
import { isThisMachine } from "../http/network.ts";
import { refuse } from "../http/problem.ts";
import { Mailbox } from "../wire/accounts.ts";
import { listMailbox } from "./mailbox.ts";

/**
 * The built-in mailbox, for a service without a relay: operators only, and this machine only. A service with a relay or
 * a public address does not have the route at all.
 */
export function mailboxRoutes(
  app: App,
  needs: { readonly db: Db; readonly keyholder: Pick<Keyholder, "openForMailer"> },
): void {
  app.get(
    "/api/mailbox",
    { config: { access: "operator" }, schema: { response: { 200: Mailbox } } },
    async (request, reply) => {
      const peer = request.socket.remoteAddress ?? "";
      if (!isThisMachine(peer)) return refuse(reply, "not-found");
      const letters = await listMailbox(needs, { limit: 100 });
      return { letters: letters.map((letter) => ({ ...letter, at: toIso(letter.at) })) };
    },
  );
}
