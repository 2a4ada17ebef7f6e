import type { SessionClass } from "../kernel/brand.ts";

/**
 * How long a session may lie unused, in hours, before it ends by itself: as far as is known, which is to five minutes.
 * A browser: two weeks, so that a weekly film needs no password, and a computer that was given away is signed out before
 * its 30 days. An operator's browser: half a day, so that nobody finds a console open in the morning. What has no keyboard, or
 * nobody at it: two months, a summer away. What a page asks by itself counts as use. No operator needs other numbers than
 * the absolute limits, so none of these is a setting.
 *
 * Source: ASVS 5.0 7.1.1 and 7.3.1; NIST SP 800-63B-4 section 5.2.
 */
export const unusedHours = { browser: 14 * 24, "operator's browser": 12, device: 60 * 24 } as const;

const isBrowser: SessionClass = "browser";

/**
 * SQL: whether the session `s` of the account `a` has been used lately enough at the instant `now`, a parameter. In hours,
 * since a day's length depends on the connection's time zone.
 */
export const inUse = (now: `$${number}`): string =>
  `s.last_seen_at > ${now}::timestamptz - case
     when s.class <> '${isBrowser}' then interval '${unusedHours.device} hours'
     when a.role = 'operator' then interval '${unusedHours["operator's browser"]} hours'
     else interval '${unusedHours.browser} hours' end`;
