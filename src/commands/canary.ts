import {
  canaryAddresses,
  listCanaries,
  mostAtOnce,
  placePattern,
  plantCanaries,
  rotateCanaries,
  type PlantNeeds,
  type PlantOrder,
} from "../canaries/plant.ts";
import { plantDecoy, tablePattern } from "../canaries/decoy.ts";
import { ringForMail } from "../canaries/ring.ts";
import { readFrom } from "../mail/smtp.ts";
import { forgetProgress } from "../streaming/progress.ts";
import type { Ground } from "../app.ts";
import { withGround } from "./ground.ts";
import { figure, textOf, type Call, type Command, type Outcome } from "./command.ts";

const host = "host";

export function plantNeeds(ground: Ground): PlantNeeds {
  const { db, keyholders, clock, random } = ground;
  return {
    db,
    keyholder: keyholders.operator,
    clock,
    random,
    forgetProgress,
  };
}

type Read =
  | { readonly order: PlantOrder & { readonly isDecoy: boolean }; readonly table: string | undefined }
  | Extract<Outcome, { kind: "usage" }>;

function readOrder({ config, values }: Call): Read {
  const place = textOf(values, "place");
  if (place === undefined || !placePattern.test(place)) {
    return {
      kind: "usage",
      error: "--place is needed: 1 to 63 of a-z, 0-9, dot, hyphen and underscore",
      hint: "--place backup-2026-11",
    };
  }
  const kinds = ["account", "address", "relay", "decoy"] as const;
  const kind = kinds.find((one) => one === (textOf(values, "kind") ?? "account"));
  if (kind === undefined) return { kind: "usage", error: `--kind must be one of ${kinds.join(", ")}` };
  const countText = textOf(values, "count") ?? (kind === "decoy" ? "20" : "3");
  const count = /^\d{1,3}$/.test(countText) ? Number(countText) : 0;
  if (count < 1 || count > mostAtOnce)
    return { kind: "usage", error: `--count must be a whole number from 1 to ${mostAtOnce}` };
  const table = textOf(values, "table");
  if (kind === "decoy" && (table === undefined || !tablePattern.test(table))) {
    return {
      kind: "usage",
      error: "--table is needed for a decoy: 3 to 41 of a-z, 0-9 and underscore",
      hint: "--table old_customers",
    };
  }
  const domain = textOf(values, "domain") ?? readFrom(config.mailFrom).address.split("@")[1] ?? "localhost";
  return {
    order: { place, kind: kind === "decoy" ? "account" : kind, count, domain, by: host, isDecoy: kind === "decoy" },
    table,
  };
}

const orderOptions = {
  place: { type: "string" },
  kind: { type: "string" },
  count: { type: "string" },
  domain: { type: "string" },
} as const;
const orderHelp = [
  ["--place NAME", "where a copy could leak from; the alarm says it"],
  ["--kind KIND", "account (unless given), address, relay or decoy"],
  ["--count N", "how many; 3 unless given, 20 in a decoy"],
  ["--domain DOMAIN", "of their addresses: one whose mail you receive; that of MAIL_FROM unless given"],
] as const;

export const canaryCommands: readonly Command[] = [
  {
    words: ["canary", "plant"],
    summary: "plant canaries of a place; any use of one rings and names the place",
    arguments: "--place NAME [--kind KIND] [--count N] [--domain DOMAIN] [--table NAME]",
    options: { ...orderOptions, table: { type: "string" } },
    optionHelp: [...orderHelp, ["--table NAME", "the decoy's table, which is made"]],
    examples: [
      "houselights canary plant --place backup-2026-11",
      "houselights canary plant --place database --kind decoy --table old_customers",
    ],
    run: async (call) => {
      const read = readOrder(call);
      if ("kind" in read) return read;
      const { order, table } = read;
      return withGround(call.config, call.log, async (ground): Promise<Outcome> => {
        const needs = plantNeeds(ground);
        if (order.isDecoy) {
          const outcome = await plantDecoy(needs, { ...order, table: table ?? "" });
          if (outcome.kind === "table-exists")
            return {
              kind: "refused",
              error: "there is a table of this name already",
              hint: "give --table another one",
            };
          return {
            kind: "done",
            json: outcome,
            lines: [`planted ${figure(outcome.count)} in the table ${table ?? ""}`],
          };
        }
        const planted = await plantCanaries(needs, order);
        return {
          kind: "done",
          json: { place: order.place, addresses: planted },
          lines: [`planted ${figure(planted.length)} for ${order.place}`, ...planted.map((address) => `  ${address}`)],
        };
      });
    },
  },
  {
    words: ["canary", "rotate"],
    summary: "plant a place's canaries and take those of other places out: between two backups",
    arguments: "--place NAME [--kind KIND] [--count N] [--domain DOMAIN]",
    options: orderOptions,
    optionHelp: orderHelp,
    examples: ["houselights canary rotate --place backup-2026-12"],
    run: async (call) => {
      const read = readOrder(call);
      if ("kind" in read) return read;
      if (read.order.isDecoy)
        return { kind: "usage", error: "a decoy is not rotated: plant another one under another name" };
      return withGround(call.config, call.log, async (ground): Promise<Outcome> => {
        const { retired, planted } = await rotateCanaries(plantNeeds(ground), read.order);
        return {
          kind: "done",
          json: { place: read.order.place, retired, addresses: planted },
          lines: [
            `planted ${figure(planted.length)} for ${read.order.place}, took ${figure(retired)} out`,
            ...planted.map((address) => `  ${address}`),
          ],
        };
      });
    },
  },
  {
    words: ["canary", "list"],
    summary: "which canaries stand for which place; with --place, their addresses",
    arguments: "[--place NAME]",
    options: { place: { type: "string" } },
    optionHelp: [["--place NAME", "print the addresses planted for it"]],
    examples: ["houselights canary list", "houselights canary list --place backup-2026-11"],
    run: async (call) => {
      const place = textOf(call.values, "place");
      return withGround(call.config, call.log, async ({ db, keyholders }): Promise<Outcome> => {
        if (place !== undefined) {
          const addresses = await canaryAddresses({ db, keyholder: keyholders.operator }, place);
          return addresses.length === 0
            ? { kind: "refused", error: "no canary was planted for this place" }
            : { kind: "done", json: addresses, lines: addresses };
        }
        const places = await listCanaries(db);
        const lines = places.map(
          ({ place: name, kind, count, plantedOn, retiredOn }) =>
            `${name.padEnd(24)} ${kind.padEnd(8)} ${figure(count).padStart(4)}  from ${plantedOn}${retiredOn === null ? "" : ` to ${retiredOn}`}`,
        );
        return { kind: "done", json: places, lines: places.length === 0 ? ["no canary is planted"] : lines };
      });
    },
  },
  {
    words: ["canary", "ring"],
    summary: "report mail that arrived at a canary's address",
    arguments: "--address ADDRESS [--message-id ID]",
    options: { address: { type: "string" }, "message-id": { type: "string" } },
    optionHelp: [
      ["--address ADDRESS", "to whom the mail was sent"],
      ["--message-id ID", "its Message-ID: our own notice to a relay's canary does not ring"],
    ],
    examples: ["houselights canary ring --address k3jq7…@traps.example"],
    run: async (call) => {
      const to = textOf(call.values, "address");
      if (to === undefined || to.length > 254) return { kind: "usage", error: "--address is needed" };
      return withGround(call.config, call.log, async ({ db, keyholders, clock, random }): Promise<Outcome> => {
        const rang = await ringForMail(
          { db, keyholder: keyholders.operator, clock, random },
          { to, messageId: textOf(call.values, "message-id") },
        );
        return rang
          ? { kind: "done", json: { rang }, lines: ["rung"] }
          : { kind: "refused", error: "this is no canary's address, or the mail is our own notice" };
      });
    },
  },
];
