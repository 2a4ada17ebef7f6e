import type { IncomingHttpHeaders } from "node:http";

/**
 * The token that a program brings in its Authorization header; `undefined` where there is no such header, or it is none of this kind.
 *
 * Source: RFC 6750 section 2.1; RFC 9110 section 11.1, by which the scheme may be written in any case.
 */
export const bearerIn = ({ authorization = "" }: IncomingHttpHeaders): string | undefined =>
  /^bearer +(\S+)$/i.exec(authorization)?.[1];
