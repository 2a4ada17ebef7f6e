import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";

/** What a question to the DNS came to. `none` is an answer (no such name, no such record); `failed` is none. */
export type Answered<Value> =
  | { readonly kind: "found"; readonly values: readonly Value[] }
  | { readonly kind: "none" }
  | { readonly kind: "failed"; readonly reason: string };

/** The questions that judging a sender's domain asks. */
export interface Lookup {
  /** Each record's strings joined (RFC 7208 section 3.3, RFC 6376 section 3.6.2.2). */
  txt(name: string): Promise<Answered<string>>;
  mx(name: string): Promise<Answered<{ readonly exchange: string; readonly priority: number }>>;
  /** IPv4 and IPv6. */
  addresses(name: string): Promise<Answered<string>>;
}

const answerWithinMs = 3_000;
const tries = 2;
/** More records than this for one name are a mistake or an attack; the rest is not looked at. */
const mostRecords = 50;

/** Asks the resolvers given (`address` or `address:port`), or the system's. The hosts file is not read. */
export function openLookup(servers: readonly string[] | null): Lookup {
  const resolver = new Resolver({ timeout: answerWithinMs, tries });
  if (servers !== null) resolver.setServers([...servers]);

  async function ask<Value>(question: () => Promise<Value[]>): Promise<Answered<Value>> {
    try {
      const values = (await question()).slice(0, mostRecords);
      return values.length === 0 ? { kind: "none" } : { kind: "found", values };
    } catch (thrown) {
      const code = typeof thrown === "object" && thrown !== null && "code" in thrown ? String(thrown.code) : "";
      // ENOTFOUND is NXDOMAIN, ENODATA a name without such a record; both are answers.
      return code === "ENOTFOUND" || code === "ENODATA" ? { kind: "none" } : { kind: "failed", reason: code };
    }
  }

  return {
    txt: (name) => ask(async () => (await resolver.resolveTxt(name)).map((parts) => parts.join(""))),
    mx: (name) => ask(() => resolver.resolveMx(name)),
    addresses: async (name) => {
      if (isIP(name) !== 0) return { kind: "found", values: [name] };
      const [four, six] = await Promise.all([ask(() => resolver.resolve4(name)), ask(() => resolver.resolve6(name))]);
      const values = [four, six].flatMap((one) => (one.kind === "found" ? [...one.values] : []));
      if (values.length > 0) return { kind: "found", values };
      return four.kind === "failed" ? four : six.kind === "failed" ? six : { kind: "none" };
    },
  };
}
