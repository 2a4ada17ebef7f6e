import { isIP } from "node:net";
import { Secret } from "../kernel/secret.ts";

/** Letters that the relay takes in an hour or a day, by contract. */
export interface RelayAllowance {
  readonly letters: number;
  readonly per: "hour" | "day";
}

/** As a rate: letters in a second. */
export const perSecond = ({ letters, per }: RelayAllowance): number => letters / (per === "hour" ? 3_600 : 86_400);

/** What a thousand letters cost. */
export interface LetterPrice {
  readonly perThousand: number;
  /** ISO 4217. */
  readonly currency: string;
}

/** Where bounces are handed over by a mail server: LMTP (RFC 2033) or SMTP (RFC 5321). */
export interface BounceListen {
  readonly protocol: "lmtp" | "smtp";
  readonly host: string;
  readonly port: number;
}

interface Reader {
  read(name: string): string | undefined;
  whole(name: string, usual: number, least: number, most: number): number;
  refuse(name: string, rule: string): void;
}

/** Whether a text has the form of an e-mail address; whether there is one, the relay says. */
export const isAddress = (text: string): boolean => /^[^\s<>@]{1,64}@[^\s<>@]{1,255}$/.test(text);

export function readAddress(name: "CONTACT_ADDRESS" | "ALARM_ADDRESS", settings: Reader): string | null {
  const text = settings.read(name) ?? null;
  if (text !== null && !isAddress(text)) settings.refuse(name, "must be an address");
  return text;
}

export function readAllowance(settings: Reader): RelayAllowance | null {
  const text = settings.read("RELAY_ALLOWANCE");
  if (text === undefined) return null;
  const [, letters, per] = /^([1-9]\d{0,9})\/(hour|day)$/.exec(text) ?? [];
  if (letters !== undefined) return { letters: Number(letters), per: per === "hour" ? "hour" : "day" };
  settings.refuse("RELAY_ALLOWANCE", "must be a number of letters and the time for them: 20000/hour or 500000/day");
  return null;
}

export function readPrice(settings: Reader): LetterPrice | null {
  const text = settings.read("LETTER_PRICE");
  if (text === undefined) return null;
  const [, amount, currency] = /^(\d{1,6}(?:\.\d{1,4})?) ([A-Z]{3})$/.exec(text) ?? [];
  if (amount !== undefined && currency !== undefined) return { perThousand: Number(amount), currency };
  settings.refuse("LETTER_PRICE", "must be what a thousand letters cost, with the currency's three letters: 0.10 USD");
  return null;
}

export function readDnsServers(settings: Reader): readonly string[] | null {
  const text = settings.read("DNS_SERVER");
  if (text === undefined) return null;
  const servers = text.split(",").map((part) => part.trim());
  const areServers = servers.every((server) => {
    const [, six, four, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(server) ?? [];
    const isAddress = six !== undefined ? isIP(six) === 6 : isIP(four ?? server) === 4 || isIP(server) === 6;
    return isAddress && (port === undefined || (Number(port) > 0 && Number(port) <= 65_535));
  });
  if (areServers && servers.length <= 8) return Object.freeze(servers);
  settings.refuse("DNS_SERVER", "must be addresses of resolvers (192.0.2.53 or 127.0.0.1:5353) with commas between");
  return null;
}

/** Letters' own part is 45 characters after a plus sign, and a local part has at most 64 (RFC 5321 section 4.5.3.1.1). */
export function readBounceAddress(settings: Reader): string | null {
  const text = settings.read("BOUNCE_ADDRESS");
  if (text === undefined) return null;
  if (/^[a-z0-9][a-z0-9._-]{0,17}@[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(text) && text.length <= 200)
    return text.toLowerCase();
  settings.refuse("BOUNCE_ADDRESS", "must be an address with at most 18 characters before the @, and no plus sign");
  return null;
}

export function readBounceListen(settings: Reader): BounceListen | null {
  const text = settings.read("BOUNCE_LISTEN");
  if (text === undefined) {
    const isWanted = settings.read("BOUNCE_ADDRESS") !== undefined;
    return isWanted ? { protocol: "lmtp", host: "127.0.0.1", port: 8424 } : null;
  }
  if (text === "off") return null;
  if (settings.read("BOUNCE_ADDRESS") === undefined) {
    settings.refuse("BOUNCE_ADDRESS", "must be set together with BOUNCE_LISTEN");
  }
  const [, protocol, six, host, port] = /^(lmtp|smtp):\/\/(?:\[([^\]]+)\]|([^:/[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = six ?? host ?? "";
  if (protocol !== undefined && isIP(address) !== 0 && Number(port) <= 65_535) {
    return { protocol: protocol === "lmtp" ? "lmtp" : "smtp", host: address, port: Number(port) };
  }
  settings.refuse("BOUNCE_LISTEN", "must be lmtp:// or smtp://, an address of this machine and a port; or off");
  return null;
}

export function readBounceSecret(settings: Reader): Secret | null {
  const text = settings.read("BOUNCE_WEBHOOK_SECRET");
  if (text === undefined) return null;
  if (text.length < 32 || text.length > 512) {
    settings.refuse("BOUNCE_WEBHOOK_SECRET", "must be 32 to 512 characters, the same as the relay has");
    return null;
  }
  if (settings.read("BOUNCE_ADDRESS") === undefined) {
    settings.refuse("BOUNCE_ADDRESS", "must be set together with BOUNCE_WEBHOOK_SECRET");
  }
  return Secret.fromText(text);
}

/** How a campaign waits, in seconds. */
export interface CampaignPauses {
  /** How long a worker that died holds the letters that it had claimed. */
  readonly leaseSeconds: number;
  /** The pause before the second try of a letter; it doubles with each. */
  readonly retrySeconds: number;
}

export const readCampaignPauses = (settings: Reader): CampaignPauses => ({
  leaseSeconds: settings.whole("CAMPAIGN_LEASE_SECONDS", 60, 3, 600),
  retrySeconds: settings.whole("CAMPAIGN_RETRY_SECONDS", 30, 1, 3_600),
});
