import { expect, test } from "vitest";
import { roomServer } from "../../test/room-server.ts";

/** A page on another site, or of another program on this machine, makes a browser send what its reader never meant to. */
async function post(publicOrigin: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const app = roomServer(() => Promise.resolve(null), { publicOrigin });
  for (const method of ["POST", "PUT", "PATCH", "DELETE"] as const) {
    app.route({ method, url: "/act", config: { access: "anyone" }, handler: () => "done" });
  }
  const answers = await Promise.all(
    (["POST", "PUT", "PATCH", "DELETE"] as const).map((method) => app.inject({ method, url: "/act", headers })),
  );
  await app.close();
  const statuses = new Set(answers.map(({ statusCode }) => statusCode));
  expect(statuses.size).toBe(1);
  return [...statuses][0] ?? 0;
}

const [films, here] = ["https://films.example", "http://localhost:8080"];

test.each<[string, string, Readonly<Record<string, string>>]>([
  ["of our own pages", films, { origin: films }],
  ["of our own pages, by a browser that says so otherwise", films, { "sec-fetch-site": "same-origin" }],
  ["that a person has typed", films, { "sec-fetch-site": "none" }],
  ["of a program", films, {}],
  ["of our own pages by another name of this machine", here, { origin: "http://127.0.0.1:8080" }],
  ["by its address of IPv6", here, { origin: "http://[::1]:8080" }],
  ["by its name", "http://127.0.0.1:8080", { origin: here }],
])("a request %s is let in", async (_what, publicOrigin, headers) => {
  expect(await post(publicOrigin, headers)).toBe(200);
});

test.each<[string, string, Readonly<Record<string, string>>]>([
  ["another site's pages", films, { origin: "https://elsewhere.example" }],
  ["pages whose site is kept secret", films, { origin: "null" }],
  ["pages of a name that begins as ours", films, { origin: `${films}.elsewhere.example` }],
  ["our pages without encryption", films, { origin: "http://films.example" }],
  ["another port", films, { origin: `${films}:8443` }],
  ["what is no origin", films, { origin: "films.example" }],
  ["pages of this machine, where the service is not", films, { origin: "https://localhost" }],
  [
    "another site, whatever else is said",
    films,
    { origin: "https://elsewhere.example", "sec-fetch-site": "same-origin" },
  ],
  ["another site", films, { "sec-fetch-site": "cross-site" }],
  ["another host of the same site", films, { "sec-fetch-site": "same-site" }],
  ["another program on this machine", here, { origin: "http://localhost:8081" }],
  ["another program on this machine, by its address", here, { origin: "http://127.0.0.1:8081" }],
  ["this machine by TLS", here, { origin: "https://localhost:8080" }],
  ["a name that is not this machine's", here, { origin: "http://localhost.elsewhere.example:8080" }],
])("a request of %s is refused", async (_what, publicOrigin, headers) => {
  expect(await post(publicOrigin, headers)).toBe(403);
});
