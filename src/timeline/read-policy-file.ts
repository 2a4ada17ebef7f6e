import { readFile } from "node:fs/promises";
import { Fault, messageOf } from "../kernel/fault.ts";
import { readPolicy, type Policy } from "./policy.ts";

/**
 * The operator's policy (TIMELINE_POLICY): who cosigns the timeline, and how many are enough. Throws `CONFIG_INVALID` that says what
 * is wrong: a service that was told of witnesses does not start without them.
 */
export async function readPolicyFile(path: string | null): Promise<(Policy & { readonly text: string }) | undefined> {
  if (path === null) return undefined;
  const text = await readFile(path, "utf8").catch((thrown: unknown) => {
    throw new Fault("CONFIG_INVALID", `TIMELINE_POLICY: the file cannot be read (${messageOf(thrown)})`);
  });
  const policy = readPolicy(text);
  if ("wrong" in policy) throw new Fault("CONFIG_INVALID", `TIMELINE_POLICY: ${policy.wrong}`);
  const silent = policy.witnesses.filter(({ url }) => url === undefined).map(({ name }) => name);
  if (silent.length > 0) {
    throw new Fault("CONFIG_INVALID", `TIMELINE_POLICY: no address stands behind the witness ${silent.join(", ")}`);
  }
  return { ...policy, text };
}
