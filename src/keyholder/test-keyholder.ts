import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../kernel/log.ts";
import { newSecret, systemRandom } from "../kernel/random.ts";
import { connectKeyholder } from "./client.ts";
import type { KeyholderClient } from "./client.ts";
import type { Role } from "./keyholder.ts";
import { socketPathFor } from "./socket-path.ts";
import { startKeyholder } from "./supervise.ts";
import type { SupervisedKeyholder } from "./supervise.ts";
import { callerIdOf } from "./use-ledger.ts";

/** A real key process with fresh keys in a temporary folder. */
export interface TestKeyholder extends SupervisedKeyholder {
  readonly keysDir: string;
  /** Ids of the callers that a test has made by `connect`: what they use is used by its own hand. */
  readonly hands: ReadonlySet<string>;
  /** A client of its own for the role; `stop` closes it. */
  connect(role: Role, waitMs?: number): Promise<KeyholderClient>;
  /** Closes the clients, ends the process and removes the folder, unless it is to be looked at. */
  stop(how?: { readonly keepFolder?: boolean }): Promise<void>;
}

/** For tests: starts it; the caller stops it (`afterAll(() => keyholder.stop())`). */
export async function testKeyholder({ graceMs = 0 }: { readonly graceMs?: number } = {}): Promise<TestKeyholder> {
  const folder = await mkdtemp(join(tmpdir(), "houselights-keyholder-"));
  const keysDir = join(folder, "keys");
  const socketPath = await socketPathFor(keysDir);
  const keyholder = await startKeyholder({ keysDir, socketPath, graceMs, log: silentLog });
  const clients: KeyholderClient[] = [];
  const hands = new Set<string>();
  return {
    ...keyholder,
    keysDir,
    hands,
    connect: async (role, waitMs) => {
      const secret = newSecret(systemRandom);
      hands.add(callerIdOf(secret.reveal()));
      const client = await connectKeyholder({
        socketPath,
        role,
        credential: keyholder.credentials[role],
        announcing: { secret, database: "of no service", cover: () => undefined },
        log: silentLog,
        // Tests share a machine that may be busy; the product's own wait is shorter.
        waitMs: waitMs ?? 10_000,
      });
      clients.push(client);
      return client;
    },
    stop: async ({ keepFolder = false } = {}) => {
      for (const client of clients.splice(0)) await client.close();
      await keyholder.stop();
      if (!keepFolder) await rm(folder, { recursive: true, force: true });
    },
  };
}
