import { collectDefaultMetrics, Gauge, type Metric, Registry } from "prom-client";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Clock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import { Secret } from "../kernel/secret.ts";
import { readClockSkew } from "../db/clock-skew.ts";
import type { Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { bearerIn } from "./bearer.ts";
import { isThisMachine } from "./network.ts";
import { refuse } from "./problem.ts";
import type { App } from "./server.ts";

export interface Metrics {
  readonly registry: Registry;
  finished(method: string, route: string, status: number, durationMs: number): void;
  /** A number that is read when somebody asks for the metrics. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void;
}

/** The process's metrics. Labels are route templates and statuses only: never a path, an id or an address. */
export function newMetrics(component: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ component });
  collectDefaultMetrics({ register: registry });
  const finished = requestMetrics(registry);
  return {
    registry,
    finished,
    gauge: (name, help, read) => {
      new Gauge({
        name,
        help,
        registers: [registry],
        async collect() {
          this.set(await read());
        },
      });
    },
  };
}

const bucketsSeconds = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10] as const;

interface RouteSums {
  readonly counts: { readonly labels: { method: string; route: string; status: number }; value: number }[];
  readonly buckets: Float64Array;
  sumSeconds: number;
}

/**
 * Counts and times finished requests. The sums are kept here and handed to prom-client when somebody asks: its own
 * counters look their labels up for each request, which was a sixth of what a session check costs.
 */
function requestMetrics(registry: Registry): Metrics["finished"] {
  const routes = new Map<string, RouteSums>();
  registry.registerMetric({
    name: "houselights_requests_total",
    get: async () => ({
      name: "houselights_requests_total",
      help: "Requests answered",
      type: "counter",
      aggregator: "sum",
      values: [...routes.values()].flatMap(({ counts }) => counts),
    }),
  } as unknown as Metric);
  const name = "houselights_request_seconds";
  registry.registerMetric({
    name,
    get: async () => ({
      name,
      help: "Time from the first byte of a request to the last of its answer",
      type: "histogram",
      aggregator: "sum",
      values: [...routes].flatMap(([route, { buckets, sumSeconds }]) => {
        const upTo = buckets.map((_, place) => buckets.subarray(0, place + 1).reduce((sum, one) => sum + one, 0));
        return [
          ...Array.from(upTo, (value, place) => ({
            labels: { route, le: bucketsSeconds[place] ?? "+Inf" },
            value,
            metricName: `${name}_bucket`,
          })),
          { labels: { route }, value: sumSeconds, metricName: `${name}_sum` },
          { labels: { route }, value: upTo.at(-1) ?? 0, metricName: `${name}_count` },
        ];
      }),
    }),
  } as unknown as Metric);

  return (method, route, status, durationMs) => {
    let sums = routes.get(route);
    if (sums === undefined) {
      sums = { counts: [], buckets: new Float64Array(bucketsSeconds.length + 1), sumSeconds: 0 };
      routes.set(route, sums);
    }
    // A handful for each route: looking through them is cheaper than making a key.
    const count = sums.counts.find(({ labels }) => labels.status === status && labels.method === method);
    if (count === undefined) sums.counts.push({ labels: { method, route, status }, value: 1 });
    else count.value++;
    const seconds = durationMs / 1_000;
    let place = 0;
    while (place < bucketsSeconds.length && seconds > (bucketsSeconds[place] ?? 0)) place++;
    sums.buckets[place]! += 1;
    sums.sumSeconds += seconds;
  };
}

/** What proxies say of whom they ask for. */
const forwarding = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via"];

/** Whether a request comes from this machine, and not for somebody else. */
function isLocal({ socket, headers }: FastifyRequest): boolean {
  return isThisMachine(socket.remoteAddress ?? "") && forwarding.every((name) => headers[name] === undefined);
}

function brings({ headers }: FastifyRequest, expected: Uint8Array): boolean {
  const token = bearerIn(headers);
  return token !== undefined && Secret.fromText(token).matches(expected);
}

/**
 * `/healthz`: the process answers. `/readyz`: it can serve, which needs the database, the keyholder and a clock within two
 * seconds of the database's. `/metrics` tells how busy a service is: whoever brings the `token` may know (RFC 6750), or,
 * where none is set, this machine. A proxy on this machine looks like it, and need not say for whom it asks, so behind one
 * only the token counts.
 */
export function healthRoutes(
  app: App,
  {
    db,
    keyholder,
    clock,
    metrics,
    token,
    isBehindProxy,
  }: {
    readonly db: Tx;
    readonly keyholder: Keyholder;
    readonly clock: Clock;
    readonly metrics: Metrics;
    readonly token: Secret | null;
    readonly isBehindProxy: boolean;
  },
): void {
  const Health = Type.Object({ status: Type.String() });
  app.get("/healthz", { config: { access: "anyone" }, schema: { response: { 200: Health } } }, async () => ({
    status: "alive",
  }));

  app.get(
    "/readyz",
    { config: { access: "anyone" }, schema: { response: { 200: Health } } },
    async (request, reply) => {
      try {
        const { isRight } = await readClockSkew(db, clock);
        if (!isRight) {
          return refuse(reply, "busy", {
            detail: "this node's clock and the database's differ",
            reference: request.id,
          });
        }
        await keyholder.index("throttle", "ready");
      } catch (thrown) {
        if (!(thrown instanceof Fault)) throw thrown;
        return refuse(reply, "busy", { detail: thrown.code, reference: request.id, retryAfterSeconds: 1 });
      }
      return reply.send({ status: "ready" });
    },
  );

  const expected = token?.digest();
  app.get("/metrics", { config: { access: "anyone" }, schema: { hide: true } }, async (request, reply) => {
    const mayKnow = expected === undefined ? !isBehindProxy && isLocal(request) : brings(request, expected);
    if (!mayKnow) return refuse(reply, "not-found");
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}
