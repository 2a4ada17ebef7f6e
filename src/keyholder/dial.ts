import { readFile } from "node:fs/promises";
import { connect as connectSocket, isIP } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { tlsName, type HostPort, type KeyholderAt, type TlsFiles } from "../config/keyholder-place.ts";
import { Fault } from "../kernel/fault.ts";
import { systemCode } from "./durable-file.ts";

/** TLS 1.3 (RFC 8446) and nothing older: both ends are ours. */
export const minVersion = "TLSv1.3" as const;

/** One place where a keyholder may be. */
export interface Door {
  /** As an operator knows it. */
  readonly name: string;
  /** The event of the socket with which it can be written to. */
  readonly ready: "connect" | "secureConnect";
  /** Begins to connect. Throws a Fault where files of a certificate cannot be read. */
  readonly open: () => Promise<Socket>;
}

/** The PEM files of one end. Throws CONFIG_INVALID that names the setting of one that cannot be read. */
export async function readTlsFiles(
  files: TlsFiles,
): Promise<{ readonly ca: string; readonly cert: string; readonly key: string }> {
  const read = (name: string, path: string): Promise<string> =>
    readFile(path, "utf8").catch((error: unknown) => {
      throw new Fault("CONFIG_INVALID", `${name}: the file cannot be read (${systemCode(error) ?? "unknown"})`);
    });
  const [ca, cert, key] = await Promise.all([
    read("KEYHOLDER_CA", files.ca),
    read("KEYHOLDER_CERT", files.cert),
    read("KEYHOLDER_KEY", files.key),
  ]);
  return { ca, cert, key };
}

/**
 * Mutual TLS. The certificate's chain must end at the authority that is named, and no other of this machine, and it must be
 * for the name that was dialled (RFC 9525).
 */
async function openTls({ host, port }: HostPort, files: TlsFiles): Promise<Socket> {
  const pem = await readTlsFiles(files);
  try {
    return connectTls({ host, port, ...pem, minVersion, ...(isIP(host) === 0 ? { servername: host } : {}) });
  } catch {
    // OpenSSL's message may quote the file.
    throw new Fault("CONFIG_INVALID", "KEYHOLDER_CERT and KEYHOLDER_KEY: not a certificate with its key, in PEM");
  }
}

export const doorsOf = (at: KeyholderAt): readonly Door[] =>
  at.tls === undefined
    ? [{ name: at.socketPath, ready: "connect", open: () => Promise.resolve(connectSocket(at.socketPath)) }]
    : at.tls.addresses.map((address) => ({
        name: tlsName(address),
        ready: "secureConnect",
        open: () => openTls(address, at.tls.files),
      }));

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there",
  ENOTFOUND: "there is no host of that name",
  ECONNRESET: "it closes the connection",
  EPIPE: "it closes the connection",
  EHOSTUNREACH: "the host cannot be reached",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is not signed by KEYHOLDER_CA",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate is not signed by KEYHOLDER_CA",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is not signed by KEYHOLDER_CA",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is not signed by KEYHOLDER_CA",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is not signed by KEYHOLDER_CA",
  CERT_SIGNATURE_FAILURE: "its certificate is not signed by KEYHOLDER_CA",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  INVALID_PURPOSE: "its certificate is not one of a server",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not speak TLS",
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: "it does not speak TLS 1.3",
};

/** What a keyholder says to whoever brings no certificate. */
export const noCertificate = "NONE";
const unknownAuthority = "it does not know the authority that signed KEYHOLDER_CERT";
const ourReasons: Readonly<Record<string, string>> = {
  [noCertificate]: "it asks for a certificate: set KEYHOLDER_CERT and KEYHOLDER_KEY",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  CERT_SIGNATURE_FAILURE: unknownAuthority,
  CERT_HAS_EXPIRED: "KEYHOLDER_CERT has expired",
  CERT_NOT_YET_VALID: "KEYHOLDER_CERT is not valid yet",
  INVALID_PURPOSE: "KEYHOLDER_CERT is not one of a client",
};

/** Why a keyholder does not take this end's certificate, in words for operators. */
export const whyUncertified = (code: unknown): string =>
  (typeof code === "string" ? ourReasons[code] : undefined) ?? "it does not take KEYHOLDER_CERT";

/** Whether a connection only ended, which says nothing of why. */
export const isMereEnd = (error: unknown): boolean => ["ECONNRESET", "EPIPE"].includes(systemCode(error) ?? "");

/** Why a connection failed, in words for operators; `undefined` for what has none of its own. */
export function whyNot(error: unknown): string | undefined {
  if (error instanceof Fault) return error.message;
  const code = systemCode(error);
  return code === undefined ? undefined : (reasons[code] ?? code);
}
