import { afterAll, beforeAll, beforeEach } from "vitest";
import type { AccountId } from "../src/kernel/brand.ts";
import { addReceiver, listReceivers, removeReceiver, tokenText, type ReceiverOrder } from "../src/signals/receivers.ts";
import { transmitTurn } from "../src/signals/transmit.ts";
import { goodPassword, testService } from "./service.ts";
import { discover, pushEndpoint, type ReceivedSet } from "./signal-receiver.ts";
import { freePort } from "../src/incidents/drill/free-port.ts";

/** A service that listens where its own origin says, relying services that find it there, and an endpoint of theirs. */
export async function signalService() {
  const port = await freePort();
  const service = await testService({ settings: { PORT: `${port}` } });
  const { ground, clock } = service;
  const { db, random, keyholders, log } = ground;
  const issuer = ground.config.publicOrigin;
  const endpoint = await pushEndpoint();
  const transmitting = { db, keyholder: keyholders.transmitter, clock, random, log, issuer, isLoopbackOrigin: true };

  beforeAll(async () => {
    await service.web.listen("127.0.0.1", port);
    // An RSA key is made when it is first asked for, which may take longer than one caller waits.
    while ((await keyholders.transmitter.setKeys().catch(() => [])).length === 0);
  });
  beforeEach(async () => {
    for (const { id } of await listReceivers(db)) await removeReceiver({ db, clock, random }, id, "test");
    endpoint.came.splice(0);
    endpoint.answer();
  });
  afterAll(() => endpoint.close());

  let services = 0;
  let people = 0;
  return {
    service,
    issuer,
    endpoint,
    transmitting,
    /** Everything that there is to do, done as a worker does it. */
    transmit: async (turns = 50): Promise<void> => {
      for (let turn = 0; turn < turns; turn++) {
        if (!(await transmitTurn(transmitting, new AbortController().signal))) return;
      }
    },
    relyingService: async (more: Partial<ReceiverOrder> = {}) => {
      const audience = `https://rely-${++services}.example`;
      const order = {
        name: `Rely ${services}`,
        audience,
        addressesBecause: null,
        pushOrigin: endpoint.origin,
        privateNetwork: false,
        by: "test",
      };
      const added = await addReceiver({ db, keyholder: keyholders.operator, clock, random }, { ...order, ...more });
      if (added === undefined) throw new Error("not added");
      const token = tokenText(added.token);
      return { id: added.id, token, receiver: await discover(issuer, token, audience) };
    },
    person: async () => {
      const address = `ada-${++people}@example.org`;
      const accountId = (await service.account(address, goodPassword)) as AccountId;
      return { address, accountId, cookie: await service.signIn(address, goodPassword) };
    },
  };
}

type Receiver = Awaited<ReturnType<typeof discover>>;

export const pollNow = (receiver: Receiver, url: string, body: object = {}) =>
  receiver.poll(url, { returnImmediately: true, ...body });
export const eventOf = (set: ReceivedSet): string => Object.keys(set.events)[0] ?? "";
export const claimsOf = (set: ReceivedSet): Readonly<Record<string, unknown>> => Object.values(set.events)[0] ?? {};
/** What a simple subject names an account by. */
export const subjectOf = ({ sub_id: { sub, id, email } }: ReceivedSet): string => sub ?? id ?? email ?? "";
