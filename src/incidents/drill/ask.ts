import { sessionCookie } from "../../http/cookies.ts";

export interface Answered {
  /** 0: the connection broke or was refused. */
  readonly status: number;
  readonly text: string;
  readonly location: string;
  /** Seconds that a "come again" names; 1 without. */
  readonly retryAfterSeconds: number;
}

export interface Question {
  readonly method?: "GET" | "POST";
  readonly form?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly token?: string;
  readonly jar?: Map<string, string>;
  /** The address that the service's proxy names. */
  readonly network?: string;
}

/** A private network for each person (RFC 1918), by their number; from 65,536 people on several share one. */
export const networkOf = (number: number): string => `10.${(number >> 8) & 255}.${number & 255}.7`;

/** How long one answer is waited for. */
const patienceMs = 60_000;

/** One HTTP request to the drill's service, as a browser or a player makes it. Never throws: a broken connection is an answer too. */
export async function ask(origin: string, path: string, question: Question = {}): Promise<Answered> {
  const { method = "GET", form, json, token, jar, network } = question;
  const cookies = [...(jar ?? new Map<string, string>())].map(([name, value]) => `${name}=${value}`);
  const body = form !== undefined ? new URLSearchParams(form).toString() : json && JSON.stringify(json);
  try {
    const response = await fetch(`${origin}${path}`, {
      method,
      redirect: "manual",
      signal: AbortSignal.timeout(patienceMs),
      headers: {
        ...(cookies.length === 0 ? {} : { cookie: cookies.join("; ") }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(network === undefined ? {} : { "x-forwarded-for": network }),
        ...(method === "GET" ? {} : { origin }),
        ...(form === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
        ...(json === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(typeof body === "string" ? { body } : {}),
    });
    const isText = /json|text|mpegurl/.test(response.headers.get("content-type") ?? "");
    const bytes = await response.arrayBuffer();
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (name !== "" && name !== sessionCookie) jar?.set(name, value);
    }
    const after = Number(response.headers.get("retry-after"));
    return {
      status: response.status,
      text: isText ? Buffer.from(bytes).toString("utf8") : "",
      location: response.headers.get("location") ?? "",
      retryAfterSeconds: after > 0 ? after : 1,
    };
  } catch {
    return { status: 0, text: "", location: "", retryAfterSeconds: 1 };
  }
}

/** Whether an answer says "come again": busy, too many, or nobody there. */
export const isAgain = ({ status }: Answered): boolean => status === 0 || status === 503 || status === 429;
