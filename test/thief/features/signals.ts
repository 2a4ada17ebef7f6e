import { addReceiver, tokenText } from "../../../src/signals/receivers.ts";
import { transmitTurn } from "../../../src/signals/transmit.ts";
import { silentLog } from "../../../src/kernel/log.ts";
import { asCookie } from "../../cookies.ts";
import type { World } from "../world.ts";
import type { Feature } from "./feature.ts";

/** A relying service that may be told addresses, as an operator adds one. @returns its token. */
export async function addRelyingService(world: World, name: string): Promise<string> {
  const { db, keyholders, clock, random } = world.service.ground;
  const added = await addReceiver(
    { db, keyholder: keyholders.operator, clock, random },
    {
      name,
      audience: `https://music.example/${encodeURIComponent(name)}`,
      addressesBecause: "its customers sign in by address",
      pushOrigin: "https://music.example",
      privateNetwork: false,
      by: "host",
    },
  );
  if (added === undefined) throw new Error("the relying service is there already");
  return world.wentSecret("a relying service's token", tokenText(added.token));
}

const pushedStream = (world: World, bearer: string, n: number) => {
  const delivery = {
    method: "urn:ietf:rfc:8935",
    endpoint_url: world.went("where signals go", `https://music.example/events/with-secret-${1_000 + n}`),
    authorization_header: world.went("what lets signals in", `Bearer the-secret-of-receiver-${1_000 + n}`),
  };
  return world.done("POST", "/signals/stream", { body: { delivery, format: "email" }, bearer });
};

/** What a worker does of signals, without a receiver that would take any. */
async function transmit(world: World): Promise<void> {
  const { db, keyholders, clock, random, config } = world.service.ground;
  const needs = { db, keyholder: keyholders.transmitter, clock, random, log: silentLog, issuer: config.publicOrigin };
  // A push to music.example is put off, as the name has no address.
  while (await transmitTurn({ ...needs, isLoopbackOrigin: false }, new AbortController().signal));
}

export const signalFeatures: readonly Feature[] = [
  {
    name: "a relying service, with a stream of each kind, and accounts that it added",
    phase: "before",
    fills: ["signal_receiver", "signal_stream", "signal_subject"],
    once: async (world, people) => {
      // So many that it can be told whether what is kept of them has a pattern.
      for (let n = 0; n < 44; n++) await pushedStream(world, await addRelyingService(world, `Shop ${n}`), n);
      const bearer = await addRelyingService(world, "Music");
      const made = await pushedStream(world, bearer, 44);
      await world.done("POST", "/signals/stream", { body: { description: "everybody" }, bearer });
      const stream_id = String(made.body["stream_id"]);
      for (const { address } of people) {
        const body = { stream_id, subject: { format: "email", email: address } };
        await world.done("POST", "/signals/subjects/add", { body, bearer });
      }
      const state = world.went("what a receiver wants echoed", "echo this and nothing else");
      await world.done("POST", "/signals/verify", { body: { stream_id, state }, bearer });
    },
  },
  {
    name: "everybody told of a containment, and one sign-out still to be told",
    phase: "last",
    fills: ["signal", "signal_delivery", "signal_fan_out", "signal_fan_out_stream"],
    once: async (world, people) => {
      await transmit(world);
      const cookie = people.find((person) => person.cookie !== "")?.cookie ?? "";
      await world.service.call("DELETE", "/api/sessions?except=current", { cookies: asCookie(cookie) });
    },
  },
];
