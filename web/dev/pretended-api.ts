import type { Plugin } from "vite";

/** Development only: the API's replies from memory, so that pages can be built and looked at without the server. */
export function pretendedApi(): Plugin {
  return { name: "pretended-api" };
}
