import { Agent, request } from "node:http";

export interface Ask {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Sent as a page's form. */
  readonly form?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly location: string;
}

/** One client of the service as the network has it: no test hook, no shortcut. */
export function openClient(port: number): { ask(ask: Ask): Promise<Answer>; close(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  return {
    close: () => agent.destroy(),
    ask: ({ method, path, headers = {}, body, form }) =>
      new Promise((resolve, reject) => {
        const payload = textOf(body, form);
        const sent = request(
          {
            host: "127.0.0.1",
            port,
            agent,
            method,
            path,
            headers: {
              ...headers,
              ...(payload === undefined
                ? {}
                : {
                    "content-type": form === undefined ? "application/json" : "application/x-www-form-urlencoded",
                    "content-length": String(payload.length),
                  }),
            },
          },
          (answer) => {
            const parts: Buffer[] = [];
            answer.on("data", (part: Buffer) => parts.push(part));
            answer.on("error", reject);
            answer.on("end", () => {
              resolve({
                status: answer.statusCode ?? 0,
                text: Buffer.concat(parts).toString("utf8"),
                location: answer.headers.location ?? "",
              });
            });
          },
        );
        sent.on("error", reject);
        sent.end(payload);
      }),
  };
}

function textOf(body: unknown, form: Ask["form"]): Buffer | undefined {
  if (form !== undefined) return Buffer.from(new URLSearchParams(form).toString());
  return body === undefined ? undefined : Buffer.from(JSON.stringify(body));
}
