import { availableParallelism } from "node:os";
import { existsSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { isIP } from "node:net";
import { Fault } from "../kernel/fault.ts";
import { Secret } from "../kernel/secret.ts";
import { whatIsOpen } from "./database-place.ts";
import { parseTlsAddresses, type KeyholderAt, type TlsFiles } from "./keyholder-place.ts";
import {
  readAddress,
  readAllowance,
  readBounceAddress,
  readBounceListen,
  readBounceSecret,
  readDnsServers,
  readPrice,
  type BounceListen,
  readCampaignPauses,
  type CampaignPauses,
  type LetterPrice,
  type RelayAllowance,
} from "./mail-settings.ts";
import { readSecurityContact, type SecurityContact } from "./security-contact.ts";

/** What the service was told by its environment, checked and frozen. Values that hold a password are Secrets. */
export interface Config {
  readonly host: string;
  /** 0 lets the system choose, for tests. */
  readonly port: number;
  /** Absolute. Holds the database and, apart from it, the keys. */
  readonly dataDir: string;
  readonly libraryDir: string;
  /** A PostgreSQL elsewhere; `null` starts the built-in one. */
  readonly databaseUrl: Secret | null;
  /** The socket of a keyholder that somebody else runs; `null` starts our own. */
  readonly keyholderAt: KeyholderAt | null;
  /** KEYHOLDER_CA, KEYHOLDER_CERT and KEYHOLDER_KEY: this end of mutual TLS. */
  readonly keyholderFiles: TlsFiles | null;
  /** The file of that keyholder's credentials, one for each role; with our own keyholder there is none. */
  readonly keyholderCredentialsFile: string | null;
  /** What the file of keys is sealed with, by the files that say it; `null` leaves it in clear unless a terminal asks. */
  readonly keysSeal: KeysSeal | null;
  /** A relay for letters; `null` keeps them in the built-in mailbox. */
  readonly smtpUrl: Secret | null;
  readonly mailFrom: string;
  /** `null`: not known. */
  readonly relayAllowance: RelayAllowance | null;
  /** `null`: not known. */
  readonly letterPrice: LetterPrice | null;
  readonly campaignPauses: CampaignPauses;
  /** Resolvers to ask about the sender's domain (`address` or `address:port`); `null` asks the system's. */
  readonly dnsServers: readonly string[] | null;
  /** Where letters that come back are sent, each with a part of its own after a plus sign; `null`: none are taken back. */
  readonly bounceAddress: string | null;
  /** Where a mail server hands bounces over; `null`: nothing listens. */
  readonly bounceListen: BounceListen | null;
  /** What a relay signs its reports of bounces with; `null`: no reports are taken. */
  readonly bounceSecret: Secret | null;
  readonly serviceName: string;
  /** Where letters and pages send people with questions; `null` leaves it out. */
  readonly contactAddress: string | null;
  readonly security: SecurityContact;
  /** Told of every alarm besides the operators; `null` tells the operators alone. */
  readonly alarmAddress: string | null;
  /** Where alarms are posted, signed with the secret; `null` posts none. */
  readonly alarmWebhook: { readonly url: Secret; readonly secret: Secret } | null;
  /** What a mail server that reports mail for canaries brings; `null` takes no such reports. */
  readonly canaryToken: Secret | null;
  /** What asks for the metrics brings; `null` answers this machine alone, and nobody where a proxy stands in front. */
  readonly metricsToken: Secret | null;
  /** A file that names the witnesses of the timeline (C2SP tlog-policy); `null` has none. Absolute. */
  readonly timelinePolicy: string | null;
  /** A file of deadlines that count besides those of this version; `null` has none. Absolute. */
  readonly deadlines: string | null;
  /** Scheme, host and port as browsers see them, without a slash at the end. */
  readonly publicOrigin: string;
  /** Whether the public origin is this machine itself: then plain HTTP is fine, and the built-in mailbox may be shown. */
  readonly isLoopbackOrigin: boolean;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  /** Whose forwarded headers are believed: nobody's, those of so many hops, or those of these addresses. */
  readonly trustProxy: false | number | readonly string[];
  readonly logLevel: LogLevel;
  /** Worker threads that hash passwords. */
  readonly hashThreads: number;
  /** How long a browser stays signed in without proving its password again. */
  readonly sessionDays: number;
  /** The same for televisions, apps and tools. */
  readonly deviceSessionDays: number;
  /** Memory for segments that were made a moment ago, in the web process; 0 keeps none. */
  readonly segmentCacheMebibytes: number;
}

/** A passphrase in a file, or a key in a hardware module whose PIN is in a file. */
export type KeysSeal =
  | { readonly by: "passphrase"; readonly passphraseFile: string }
  | {
      readonly by: "module";
      readonly library: string;
      readonly token: string;
      readonly keyLabel: string;
      readonly pinFile: string;
      /** What the module's library reads of the environment; the key process gets this and nothing else of it. */
      readonly environment: Readonly<Record<string, string>>;
    };

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings. Relative folders count from `workingFolder`. A setting that is empty counts as absent.
 *
 * @throws Fault CONFIG_INVALID that names every bad setting at once with its rule, and no value: one of them is a password.
 */
export function parseConfig(environment: Environment, workingFolder: string): Config {
  const settings = new Settings(environment);
  const text = (name: string): string | undefined => settings.read(name);

  const host = text("HOST") ?? "127.0.0.1";
  if (isIP(host) === 0 && !isHostName(host))
    settings.refuse("HOST", "must be an address or a host name, without a port");
  const port = settings.whole("PORT", 8400, 0, 65_535);
  const folder = (name: string, usual: string): string => resolve(workingFolder, text(name) ?? usual);

  const databaseUrl = readDatabase(settings);
  const smtpUrl = settings.secretUrls("SMTP_URL", ["smtp:", "smtps:"]);
  const keyholderFiles = readKeyholderFiles(settings, (name) => folder(name, ""));
  const keyholderAt = readKeyholder(settings, keyholderFiles);
  const keyholderCredentialsFile =
    text("KEYHOLDER_CREDENTIALS") === undefined ? null : folder("KEYHOLDER_CREDENTIALS", "");
  if (text("KEYHOLDER_URL") !== undefined && keyholderCredentialsFile === null) {
    settings.refuse("KEYHOLDER_CREDENTIALS", "must name the file of credentials when KEYHOLDER_URL is set");
  }
  const tls = readTls(settings, folder);
  const trustProxy = readTrustProxy(settings);
  const { publicOrigin, isLoopbackOrigin } = readOrigin(settings, host, port, tls !== null);

  if (!isLoopback(host) && tls === null && text("TRUST_PROXY") === undefined) {
    settings.refuse(
      "HOST",
      "would be reached from other machines without encryption",
      "set TLS_CERT and TLS_KEY; or TRUST_PROXY when a proxy in front speaks HTTPS (0 believes none of its headers); or leave HOST at 127.0.0.1",
    );
  }

  const serviceName = text("SERVICE_NAME") ?? "Houselights";
  if (serviceName.length > 60 || !isPlain(serviceName)) {
    settings.refuse("SERVICE_NAME", "must be at most 60 characters without control characters");
  }
  const mailFrom = text("MAIL_FROM") ?? `${quoted(serviceName)} <no-reply@${mailHost(publicOrigin)}>`;
  if (
    !/^([^<>]*<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/.test(mailFrom) ||
    !isPlain(mailFrom) ||
    mailFrom.length > 320
  ) {
    settings.refuse("MAIL_FROM", "must be an address, or `Name <address>`");
  }
  const relayAllowance = readAllowance(settings);
  const letterPrice = readPrice(settings);
  const dnsServers = readDnsServers(settings);
  const bounceAddress = readBounceAddress(settings);
  const bounceListen = readBounceListen(settings);
  const bounceSecret = readBounceSecret(settings);
  const contactAddress = readAddress("CONTACT_ADDRESS", settings);
  const alarmAddress = readAddress("ALARM_ADDRESS", settings);
  const alarmWebhook = readWebhook(settings);
  const canaryToken = readToken("CANARY_TOKEN", settings);
  const metricsToken = readToken("METRICS_TOKEN", settings);
  const level = text("LOG_LEVEL") ?? "info";
  const logLevel = logLevels.find((known) => known === level);
  if (logLevel === undefined) settings.refuse("LOG_LEVEL", `must be one of ${logLevels.join(", ")}`);

  const config: Config = {
    host,
    port,
    dataDir: folder("DATA_DIR", "data"),
    libraryDir: folder("LIBRARY_DIR", "library"),
    databaseUrl,
    keyholderAt,
    keyholderFiles,
    keyholderCredentialsFile,
    keysSeal: readKeysSeal(settings, folder),
    smtpUrl,
    mailFrom,
    relayAllowance,
    letterPrice,
    campaignPauses: readCampaignPauses(settings),
    dnsServers,
    bounceAddress,
    bounceListen,
    bounceSecret,
    serviceName,
    contactAddress,
    security: readSecurityContact(settings, contactAddress),
    alarmAddress,
    alarmWebhook,
    canaryToken,
    metricsToken,
    timelinePolicy: text("TIMELINE_POLICY") === undefined ? null : folder("TIMELINE_POLICY", ""),
    deadlines: text("DEADLINES") === undefined ? null : folder("DEADLINES", ""),
    publicOrigin,
    isLoopbackOrigin,
    tls,
    trustProxy,
    logLevel: logLevel ?? "info",
    hashThreads: settings.whole("HASH_THREADS", threadsThatHash(availableParallelism()), 1, 64),
    sessionDays: settings.whole("SESSION_DAYS", 30, 1, 365),
    deviceSessionDays: settings.whole("DEVICE_SESSION_DAYS", 180, 1, 730),
    segmentCacheMebibytes: settings.whole("SEGMENT_CACHE_MIB", 128, 0, 65_536),
  };
  settings.throwIfAny();
  return Object.freeze(config);
}

/**
 * How many threads hash unless a setting says otherwise: three quarters of the processors, since whoever waits for a hash needs
 * the other quarter too, and whoever watches meanwhile must notice nothing.
 */
export const threadsThatHash = (processors: number): number =>
  Math.min(64, Math.max(1, Math.floor((processors * 3) / 4)));

/** The settings of this process. */
export const readConfig = (): Config => parseConfig(process.env, process.cwd());

/** The environment that a child process of ours (a decoder, a thread's tool) may see: where programs and folders are. */
export function childEnvironment(): Record<string, string> {
  return Object.fromEntries(
    ["PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "NODE_COMPILE_CACHE"].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** The whole environment of a process of ours that needs none: where Node keeps what it compiles. */
export function bareEnvironment(): Record<string, string> {
  const { NODE_COMPILE_CACHE } = process.env;
  return NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE };
}

/** Reads settings by name and collects what is wrong with them. */
class Settings {
  readonly #environment: Environment;
  readonly #problems: string[] = [];

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  read(name: string): string | undefined {
    const value = this.#environment[name]?.trim();
    return value === "" ? undefined : value;
  }

  refuse(name: string, rule: string, hint?: string): void {
    this.#problems.push(`${name}: ${rule}${hint === undefined ? "" : `; hint: ${hint}`}`);
  }

  whole(name: string, usual: number, least: number, most: number): number {
    const text = this.read(name);
    if (text === undefined) return usual;
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    this.refuse(name, `must be a whole number from ${least} to ${most}`);
    return usual;
  }

  secretUrl(name: string, schemes: readonly string[]): Secret | null {
    const text = this.read(name);
    if (text === undefined || this.#refusesUrl(name, text, schemes)) return null;
    return Secret.fromText(text);
  }

  /** Several, with white space between them. */
  secretUrls(name: string, schemes: readonly string[]): Secret | null {
    const text = this.read(name);
    if (text === undefined) return null;
    const isRefused = text.split(/\s+/).some((one) => this.#refusesUrl(name, one, schemes));
    return isRefused ? null : Secret.fromText(text);
  }

  #refusesUrl(name: string, text: string, schemes: readonly string[]): boolean {
    const url = URL.parse(text);
    // A PostgreSQL address may name its socket folder in the query and no host.
    const wantsHost = !schemes.includes("postgresql:");
    if (url !== null && schemes.includes(url.protocol) && (!wantsHost || url.hostname !== "")) return false;
    this.refuse(name, `must be an address that starts with ${schemes.map((scheme) => `${scheme}//`).join(" or ")}`);
    return true;
  }

  throwIfAny(): void {
    if (this.#problems.length === 0) return;
    throw new Fault("CONFIG_INVALID", `invalid configuration\n${this.#problems.map((line) => `  ${line}`).join("\n")}`);
  }
}

function readDatabase(settings: Settings): Secret | null {
  const secret = settings.secretUrl("DATABASE_URL", ["postgres:", "postgresql:"]);
  const url = secret === null ? null : URL.parse(secret.revealText());
  const open = url === null ? undefined : whatIsOpen(url, settings.read("PGHOST"), isLoopback);
  if (open !== undefined) {
    settings.refuse(
      "DATABASE_URL",
      open,
      "add ?sslmode=verify-full, and &sslrootcert=/path/to/ca.pem if the server's certificate is of an authority of your own",
    );
  }
  return secret;
}

function readKeyholder(settings: Settings, files: TlsFiles | null): KeyholderAt | null {
  const text = settings.read("KEYHOLDER_URL");
  if (text === undefined) return null;
  const path = text.startsWith("unix:") ? text.slice("unix:".length).replace(/^\/\/(?=\/)/, "") : "";
  if (isAbsolute(path)) return { socketPath: path };
  const addresses = parseTlsAddresses(text);
  if (addresses === undefined) {
    settings.refuse(
      "KEYHOLDER_URL",
      "must be unix: and the absolute path of a socket, or tls:// with a host and a port, several with commas between",
    );
  } else if (files !== null) {
    return { tls: { addresses, files } };
  } else if (settings.read("KEYHOLDER_CA") === undefined) {
    settings.refuse("KEYHOLDER_CA", "must be set with KEYHOLDER_CERT and KEYHOLDER_KEY when KEYHOLDER_URL is tls://");
  }
  return null;
}

/** All three or none: a keyholder is spoken to by mutual TLS, and by nothing less. */
function readKeyholderFiles(settings: Settings, path: (name: string) => string): TlsFiles | null {
  const names = ["KEYHOLDER_CA", "KEYHOLDER_CERT", "KEYHOLDER_KEY"] as const;
  const missing = names.filter((name) => settings.read(name) === undefined);
  if (missing.length === 0) {
    return { ca: path("KEYHOLDER_CA"), cert: path("KEYHOLDER_CERT"), key: path("KEYHOLDER_KEY") };
  }
  if (missing.length < names.length) {
    for (const name of missing) settings.refuse(name, "must be set with the other two of KEYHOLDER_CA, _CERT and _KEY");
  }
  return null;
}

/** Alarms tell what a thief must not read or forge: encrypted on the way unless they stay on this machine, and signed. */
function readWebhook(settings: Settings): Config["alarmWebhook"] {
  const url = settings.secretUrl("ALARM_WEBHOOK_URL", ["https:", "http:"]);
  const secret = settings.read("ALARM_WEBHOOK_SECRET");
  if (settings.read("ALARM_WEBHOOK_URL") === undefined) {
    if (secret !== undefined) settings.refuse("ALARM_WEBHOOK_URL", "must be set together with ALARM_WEBHOOK_SECRET");
    return null;
  }
  const parsed = url === null ? null : URL.parse(url.revealText());
  if (parsed !== null && parsed.protocol === "http:" && !isLoopback(parsed.hostname.replace(/^\[|\]$/g, ""))) {
    settings.refuse("ALARM_WEBHOOK_URL", "must be https://, or http:// to this machine");
  }
  if (parsed !== null && (parsed.username !== "" || parsed.password !== "")) {
    settings.refuse("ALARM_WEBHOOK_URL", "must not carry a user or password: what is posted is signed");
  }
  if (secret === undefined || secret.length < 32 || secret.length > 512) {
    settings.refuse("ALARM_WEBHOOK_SECRET", "must be 32 to 512 characters, the same as the receiver has");
    return null;
  }
  return url === null ? null : { url, secret: Secret.fromText(secret) };
}

/**
 * systemd hands credentials over as files in a folder that only the service can read (systemd.exec(5),
 * `LoadCredential=`); ours is `keys-passphrase`.
 */
function readKeysSeal(settings: Settings, folder: (name: string, usual: string) => string): KeysSeal | null {
  const library = settings.read("KEYS_MODULE");
  const passphraseFile = settings.read("KEYS_PASSPHRASE_FILE");
  if (library !== undefined) {
    if (passphraseFile !== undefined)
      settings.refuse("KEYS_PASSPHRASE_FILE", "must not be set together with KEYS_MODULE");
    if (!isAbsolute(library)) settings.refuse("KEYS_MODULE", "must be the absolute path of a PKCS #11 library");
    const token = settings.read("KEYS_MODULE_TOKEN") ?? "";
    if (token === "" || token.length > 32)
      settings.refuse("KEYS_MODULE_TOKEN", "must be a token's label, with KEYS_MODULE");
    if (settings.read("KEYS_MODULE_PIN_FILE") === undefined) {
      settings.refuse("KEYS_MODULE_PIN_FILE", "must name a file that holds the token's PIN, with KEYS_MODULE");
    }
    const keyLabel = settings.read("KEYS_MODULE_KEY") ?? "houselights";
    const names = (settings.read("KEYS_MODULE_ENVIRONMENT") ?? "").split(/\s*,\s*/).filter((name) => name !== "");
    if (names.length > 20 || !names.every((name) => /^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(name)))
      settings.refuse("KEYS_MODULE_ENVIRONMENT", "must be names of variables, at most 20, with commas between");
    const environment = Object.fromEntries(
      names.flatMap((name) => {
        const value = settings.read(name);
        return value === undefined ? [] : [[name, value]];
      }),
    );
    return { by: "module", library, token, keyLabel, pinFile: folder("KEYS_MODULE_PIN_FILE", ""), environment };
  }
  if (passphraseFile !== undefined) return { by: "passphrase", passphraseFile: folder("KEYS_PASSPHRASE_FILE", "") };
  const credentials = settings.read("CREDENTIALS_DIRECTORY");
  if (credentials === undefined || !existsSync(join(credentials, "keys-passphrase"))) return null;
  return { by: "passphrase", passphraseFile: join(credentials, "keys-passphrase") };
}

function readTls(settings: Settings, folder: (name: string, usual: string) => string): Config["tls"] {
  const given = ["TLS_CERT", "TLS_KEY"].filter((name) => settings.read(name) !== undefined);
  if (given.length === 1) {
    const missing = given[0] === "TLS_CERT" ? "TLS_KEY" : "TLS_CERT";
    settings.refuse(missing, `must be set together with ${given[0]}`);
  }
  return given.length === 2 ? { certFile: folder("TLS_CERT", ""), keyFile: folder("TLS_KEY", "") } : null;
}

/** What another program of the operator's brings to show that it is one; `null` where it is not set. */
function readToken(name: "CANARY_TOKEN" | "METRICS_TOKEN", settings: Settings): Secret | null {
  const text = settings.read(name);
  if (text === undefined) return null;
  if (!/^[\x21-\x7e]{32,200}$/.test(text)) settings.refuse(name, "must be 32 to 200 characters without spaces");
  return Secret.fromText(text);
}

function readTrustProxy(settings: Settings): Config["trustProxy"] {
  const text = settings.read("TRUST_PROXY");
  if (text === undefined) return false;
  if (/^\d{1,2}$/.test(text)) return text === "0" ? false : Number(text);
  const addresses = text.split(",").map((part) => part.trim());
  const areAddresses = addresses.every((address) => {
    const [ip = "", bits, ...rest] = address.split("/");
    const longest = isIP(ip) === 4 ? 32 : 128;
    const isRange = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= longest);
    return rest.length === 0 && isIP(ip) !== 0 && isRange;
  });
  if (areAddresses) return Object.freeze(addresses);
  settings.refuse(
    "TRUST_PROXY",
    "must be the number of proxies in front, or their addresses (10.0.0.1 or 10.0.0.0/8) with commas between",
  );
  return false;
}

function readOrigin(
  settings: Settings,
  host: string,
  port: number,
  hasTls: boolean,
): { publicOrigin: string; isLoopbackOrigin: boolean } {
  const given = settings.read("PUBLIC_ORIGIN");
  const isWildcard = host === "0.0.0.0" || host === "::";
  if (given === undefined && isWildcard) {
    settings.refuse("PUBLIC_ORIGIN", "must be set when HOST means every address of the machine");
  }
  // Browsers refuse passkeys where a service is reached by a number (Web Authentication section 5.1.2): this machine has
  // a name for itself.
  const named = host === "127.0.0.1" || host === "::1" ? "localhost" : host;
  const usual = `${hasTls ? "https" : "http"}://${isIP(named) === 6 ? `[${named}]` : named}:${port}`;
  const url = URL.parse(given ?? usual);
  const isOrigin =
    url !== null &&
    ["http:", "https:"].includes(url.protocol) &&
    url.username === "" &&
    url.password === "" &&
    ["", "/"].includes(url.pathname) &&
    url.search === "" &&
    url.hash === "";
  if (!isOrigin) {
    if (given !== undefined) {
      settings.refuse("PUBLIC_ORIGIN", "must be https:// and a host, with a port if need be, and nothing after it");
    }
    return { publicOrigin: "http://localhost", isLoopbackOrigin: true };
  }
  const isLoopbackOrigin = isLoopback(url.hostname.replace(/^\[|\]$/g, ""));
  // A bad HOST has been refused by itself; the origin made from it would only repeat that.
  if (url.protocol === "http:" && !isLoopbackOrigin && (given !== undefined || hasTls)) {
    settings.refuse(
      "PUBLIC_ORIGIN",
      "is plain http and not this machine: browsers refuse secure cookies and passkeys there",
      "use https://, with TLS_CERT and TLS_KEY or a proxy in front (TRUST_PROXY)",
    );
  } else if (
    url.protocol === "http:" &&
    !isLoopbackOrigin &&
    !isWildcard &&
    settings.read("TRUST_PROXY") !== undefined
  ) {
    settings.refuse("PUBLIC_ORIGIN", "must be set to the https:// address that the proxy in front answers on");
  }
  return { publicOrigin: url.origin, isLoopbackOrigin };
}

/** The built-in mailbox is only there where nobody but this machine reaches the service: elsewhere letters need a relay, or go nowhere. */
export const lettersLeaveBy = ({
  smtpUrl,
  isLoopbackOrigin,
}: Pick<Config, "smtpUrl" | "isLoopbackOrigin">): "relay" | "mailbox" | "nowhere" =>
  smtpUrl !== null ? "relay" : isLoopbackOrigin ? "mailbox" : "nowhere";

/** Names and addresses that never leave the machine (RFC 6761 section 6.3, RFC 1122 section 3.2.1.3). */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    name === "::1" ||
    (isIP(name) === 4 && name.startsWith("127."))
  );
}

const isHostName = (text: string): boolean =>
  text.length <= 253 && /^[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*$/i.test(text);

// Control characters and lone surrogates; either would break a header line or a page.
const isPlain = (text: string): boolean => !/[\p{Cc}\p{Cs}]/u.test(text);

const quoted = (name: string): string => (/^[A-Za-z0-9 ]+$/.test(name) ? name : `"${name.replace(/["\\<>]/g, "")}"`);

function mailHost(origin: string): string {
  const name = URL.parse(origin)?.hostname ?? "localhost";
  return isIP(name.replace(/^\[|\]$/g, "")) === 0 ? name : "localhost";
}
