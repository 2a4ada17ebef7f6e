import { connect as connectPlain, isIP } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls, getCACertificates } from "node:tls";
import type { ConnectionOptions } from "node:tls";
import { after } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import { withoutAddresses } from "./address.ts";
import type { Relay } from "./relays.ts";

/** A relay that could not be spoken to; the message says why, without addresses. */
export class RelayTrouble extends Error {
  override readonly name = "RelayTrouble";
}

/**
 * A socket to the relay, within TLS where its URL has it from the start (RFC 8314 section 3.3). `ca` (PEM) is trusted besides the
 * system's authorities. Throws `RelayTrouble` after `withinMs`, or with what is wrong.
 */
export function dialled(relay: Relay, withinMs: number, ca: string | undefined): Promise<Socket> {
  const { host, port } = relay;
  const away = (error: unknown): string => `the relay ${host}:${port} is not reached: ${codeOf(error)}`;
  return relay.tls === "from the start"
    ? settled(connectTls({ port, ...tlsOptions(relay, ca) }), "secureConnect", withinMs, (error) =>
        isTls(error) ? tlsTrouble(host, error) : away(error),
      )
    : settled(connectPlain({ host, port }), "connect", withinMs, away);
}

/** The same socket within TLS (RFC 3207), its certificate and host name verified (RFC 9525). Throws `RelayTrouble`. */
export const secured = (relay: Relay, withinMs: number, ca: string | undefined, socket: Socket): Promise<Socket> =>
  settled(connectTls({ socket, ...tlsOptions(relay, ca) }), "secureConnect", withinMs, (error) =>
    tlsTrouble(relay.host, error),
  );

const tlsOptions = ({ host }: Relay, ca: string | undefined): ConnectionOptions => ({
  host,
  // RFC 6066 section 3: a name, never an address.
  ...(isIP(host) === 0 ? { servername: host } : {}),
  ...(ca === undefined ? {} : { ca: [...getCACertificates("default"), ca] }),
  minVersion: "TLSv1.2",
});

/** Whether it is trouble with TLS, and not with the network or the system. */
const isTls = (error: unknown): boolean => !/^E[A-Z]+$|in time$|closed the/.test(codeOf(error));

const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : messageOf(error);

/** What is wrong with a certificate, in words that say what to do about it. */
function tlsTrouble(host: string, error: unknown): string {
  const code = codeOf(error);
  switch (code) {
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `the relay's certificate is not for ${host}`;
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return `the certificate of the relay ${host} is not valid now (${code})`;
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
      return `the certificate of the relay ${host} is from nobody who is trusted here (${code})`;
    default:
      return `no TLS with the relay ${host}: ${code}`;
  }
}

/** A socket once the event has come. Throws `RelayTrouble` with what `why` makes of the error. */
function settled(
  socket: Socket,
  event: "connect" | "secureConnect",
  withinMs: number,
  why: (error: unknown) => string,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      callOff();
      socket.destroy();
      reject(new RelayTrouble(withoutAddresses(why(error))));
    };
    const callOff = after(withinMs, () => fail(new Error("no answer in time")));
    const closed = (): void => fail(new Error("the relay closed the connection"));
    socket.once("error", fail);
    socket.once("close", closed);
    socket.once(event, () => {
      callOff();
      socket.off("error", fail);
      socket.off("close", closed);
      resolve(socket);
    });
  });
}
