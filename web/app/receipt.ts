import { Refused, Unreachable } from "./api.ts";
import { within } from "./limit.ts";

const limitMs = 60_000;

/** Fetches a receipt (.tlog-proof) and hands it to the browser as a file. @throws Refused, Unreachable */
export async function saveReceipt(path: string): Promise<void> {
  const { response, body } = await within(limitMs, async (signal) => {
    const answer = await fetch(path, { credentials: "same-origin", signal });
    return { response: answer, body: await answer.blob() };
  }).catch((error: unknown) => {
    throw new Unreachable(error);
  });
  if (!response.ok) {
    const problem = await new Response(body).json().catch(() => ({}));
    throw new Refused(response.status, problem as Record<string, string>);
  }
  const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? "letter.tlog-proof";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(body);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
