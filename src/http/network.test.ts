import { expect, test } from "vitest";
import { roomServer } from "../../test/room-server.ts";
import { networkOf, siteOf } from "./network.ts";

test.each([
  ["203.0.113.7", "203.0.113.7"],
  ["::ffff:203.0.113.7", "203.0.113.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:0DB8:0001:0002::9", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:db8:1:2::", "2001:db8:1:2::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["64:ff9b::203.0.113.7", "64:ff9b:0:0::/64"],
  ["not an address", "not an address"],
])("%s is in the network %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test("addresses of one /64 are one network, those of the next are another", () => {
  expect(networkOf("2001:db8:1:2:aaaa::1")).toBe(networkOf("2001:db8:1:2:bbbb:cccc:dddd:eeee"));
  expect(networkOf("2001:db8:1:2::1")).not.toBe(networkOf("2001:db8:1:3::1"));
});

test.each([
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"],
  ["2001:db8:1:ffff::1", "2001:db8:1::/48"],
  ["2001:db8:2::1", "2001:db8:2::/48"],
  ["fe80::1%eth0", "fe80:0:0::/48"],
  ["203.0.113.7", undefined],
  ["::ffff:203.0.113.7", undefined],
  ["not an address", undefined],
])("%s is of the site %s", (address, site) => {
  expect(siteOf(address)).toBe(site);
});

/** Where a request came from, as every count and every session's network has it (ASVS 5.0 15.3.4). */
test.each([
  ["nobody is trusted", false, "203.0.113.9"],
  ["one proxy in front", 1, "198.51.100.2"],
  ["two proxies in front", 2, "192.0.2.3"],
  ["a proxy by its address", ["203.0.113.9"], "198.51.100.2"],
  ["another address is the proxy's", ["203.0.113.10"], "203.0.113.9"],
] as const)("%s: what a request says of its origin is believed so far and no further", async (_who, trustProxy, ip) => {
  const app = roomServer(() => Promise.resolve(null), { trustProxy });
  app.get("/from", { config: { access: "anyone" } }, (request, reply) => reply.send({ ip: request.ip }));
  await app.ready();
  // Each proxy adds whom it was asked by at the end; what stands before is what the first one was told.
  const headers = { "x-forwarded-for": "127.0.0.1, 192.0.2.3, 198.51.100.2", forwarded: "for=127.0.0.1" };
  expect((await app.inject({ url: "/from", remoteAddress: "203.0.113.9", headers })).json()).toEqual({ ip });
});
