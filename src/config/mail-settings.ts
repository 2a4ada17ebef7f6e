import { isIP } from "node:net";

/** Letters that the relay takes in an hour or a day, by contract. */
export interface RelayAllowance {
  readonly letters: number;
  readonly per: "hour" | "day";
}

/** What a thousand letters cost. */
export interface LetterPrice {
  readonly perThousand: number;
  /** ISO 4217. */
  readonly currency: string;
}

interface Reader {
  read(name: string): string | undefined;
  refuse(name: string, rule: string): void;
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
