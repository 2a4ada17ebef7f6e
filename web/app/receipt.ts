import { Refused, Unreachable } from "./api.ts";

/** Fetches a receipt (.tlog-proof) and hands it to the browser as a file. @throws Refused, Unreachable */
export async function saveReceipt(path: string): Promise<void> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin" });
  } catch (error) {
    throw new Unreachable("no answer", { cause: error });
  }
  if (!response.ok) {
    const problem = (await response.json().catch(() => ({}))) as Record<string, string>;
    throw new Refused(response.status, problem);
  }
  const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? "letter.tlog-proof";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
