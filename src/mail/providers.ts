/** Receiving domains that are one service, with one limit for who writes to it. */
const groups: readonly (readonly [provider: string, domains: RegExp])[] = [
  ["Gmail", /^(gmail|googlemail)\.com$/],
  ["Outlook", /^(outlook|hotmail|live|msn|passport)\.(com|[a-z]{2}|co\.[a-z]{2}|com\.[a-z]{2})$/],
  // Another company than Yahoo, and before it: the first that fits is taken.
  ["Yahoo! Japan", /^(yahoo\.co|ybb\.ne)\.jp$/],
  [
    "Yahoo",
    /^((yahoo|ymail|rocketmail)\.(com|[a-z]{2}|co\.[a-z]{2}|com\.[a-z]{2})|aol\.(com|[a-z]{2}|co\.uk)|aim\.com)$/,
  ],
  ["iCloud", /^(icloud|me|mac)\.com$/],
  ["Proton", /^(proton\.me|protonmail\.(com|ch)|pm\.me)$/],
  ["GMX and web.de", /^(gmx\.(net|de|at|ch|com|eu|info|biz|org)|web\.de|mail\.com)$/],
  ["Telekom", /^(t-online|magenta)\.de$/],
  ["Orange", /^(orange|wanadoo)\.fr$/],
  ["Free", /^(free|aliceadsl)\.fr$/],
  ["La Poste", /^laposte\.net$/],
  ["SFR", /^(sfr|neuf)\.fr$/],
  ["Comcast", /^comcast\.net$/],
  ["docomo", /^docomo\.ne\.jp$/],
  ["au", /^(ezweb|au)\.(ne\.jp|com)$/],
  ["SoftBank", /^(softbank\.ne\.jp|i\.softbank\.jp)$/],
  ["Mail.ru", /^(mail|bk|inbox|list)\.ru$/],
  ["Yandex", /^(yandex\.(ru|com|by|kz)|ya\.ru)$/],
  ["QQ", /^(qq|foxmail)\.com$/],
  ["NetEase", /^(163|126|yeah)\.(com|net)$/],
  ["Naver", /^naver\.com$/],
];

/** The provider behind a receiving domain (ASCII, lower case): a well-known one by its name, else the domain itself. */
export const providerOf = (domain: string): string => groups.find(([, domains]) => domains.test(domain))?.[0] ?? domain;

/** Whether a provider's name is one of the well-known, and no domain that may be one person's own. */
export const isKnownProvider = (provider: string): boolean => groups.some(([name]) => name === provider);
