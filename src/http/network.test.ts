import fc from "fast-check";
import { expect, test } from "vitest";
import { roomServer } from "../../test/room-server.ts";
import { isThisMachine, networkOf, siteOf } from "./network.ts";

test.each([
  ["203.0.113.7", "203.0.113.7"],
  ["::ffff:203.0.113.7", "203.0.113.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:0DB8:0001:0002::9", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:db8:1:2::", "2001:db8:1:2::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["::ffff:cb00:7107", "203.0.113.7"],
  ["0:0:0:0:0:FFFF:CB00:7107", "203.0.113.7"],
  ["64:ff9b::203.0.113.7", "203.0.113.7"],
  ["64:ff9b::cb00:7107", "203.0.113.7"],
  ["64:ff9b:1::203.0.113.7", "64:ff9b:1:0::/64"],
  ["2001:db8::203.0.113.7", "2001:db8:0:0::/64"],
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
  ["::ffff:cb00:7107", undefined],
  ["not an address", undefined],
])("%s is of the site %s", (address, site) => {
  expect(siteOf(address)).toBe(site);
});

/** An IPv6 address as anybody may spell it (RFC 4291 section 2.2): zeros in front or none, any run of zeros left out, a dotted end. */
const spelled = (groups: readonly number[]) =>
  fc
    .record({ isUpper: fc.boolean(), isPadded: fc.boolean(), isDotted: fc.boolean(), from: fc.nat(7), to: fc.nat(8) })
    .map(({ isUpper, isPadded, isDotted, from, to }) => {
      const hex = groups.map((group) => group.toString(16).padStart(isPadded ? 4 : 1, "0"));
      const bytes = groups.slice(6).flatMap((group) => [group >> 8, group & 0xff]);
      const parts = isDotted ? [...hex.slice(0, 6), bytes.join(".")] : hex;
      const end = Math.min(to, isDotted ? 6 : 8);
      const isLeftOut = from < end && groups.slice(from, end).every((group) => group === 0);
      const text = isLeftOut ? `${parts.slice(0, from).join(":")}::${parts.slice(end).join(":")}` : parts.join(":");
      return isUpper ? text.toUpperCase() : text;
    });
const anyGroup = fc.oneof(fc.constant(0), fc.nat(0xffff));

test("every spelling of an address is counted as the same network, and no two IPv4 addresses are one", () => {
  const carrier = fc.constantFrom([0, 0, 0, 0, 0, 0xffff], [0x64, 0xff9b, 0, 0, 0, 0]);
  const carried = fc.tuple(carrier, anyGroup, anyGroup).chain(([prefix, high, low]) =>
    fc.record({
      text: spelled([...prefix, high, low]),
      four: fc.constant([high >> 8, high & 0xff, low >> 8, low & 0xff].join(".")),
    }),
  );
  fc.assert(
    fc.property(carried, ({ text, four }) => {
      expect([text, networkOf(text), siteOf(text)]).toEqual([text, four, undefined]);
      expect([text, isThisMachine(text)]).toEqual([text, four.startsWith("127.")]);
    }),
  );
  const sameTwice = fc
    .array(anyGroup, { minLength: 8, maxLength: 8 })
    .chain((groups) => fc.tuple(spelled(groups), spelled(groups)));
  fc.assert(
    fc.property(sameTwice, ([one, other]) => {
      const found = (text: string) => [networkOf(text), siteOf(text), isThisMachine(text)];
      expect([one, other, ...found(one)]).toEqual([one, other, ...found(other)]);
    }),
  );
});

test.each([
  ["127.0.0.1", true],
  ["127.255.0.9", true],
  ["::1", true],
  ["0:0:0:0:0:0:0:1", true],
  ["::ffff:127.0.0.1", true],
  ["::ffff:7f00:1", true],
  ["::2", false],
  ["128.0.0.1", false],
  ["127.example", false],
  ["::ffff:128.0.0.1", false],
])("whether %s is this machine: %s", (address, isHere) => {
  expect(isThisMachine(address)).toBe(isHere);
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
