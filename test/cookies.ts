import { sessionCookie } from "../src/http/cookies.ts";

/** A session's token as a browser sends it. */
export const asCookie = (token: string): Readonly<Record<string, string>> => ({ [sessionCookie]: token });
