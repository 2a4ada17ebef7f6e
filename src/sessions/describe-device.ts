const browsers: readonly (readonly [RegExp, string])[] = [
  [/\bEdg\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bFirefox\//, "Firefox"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/Chrom(e|ium)\//, "Chrome"],
  [/\bSafari\//, "Safari"],
];
const systems: readonly (readonly [RegExp, string])[] = [
  [/\b(Tizen|Web0S|WebOS|SMART-TV|SmartTV|AppleTV|Apple TV|GoogleTV|BRAVIA)\b/i, "a TV"],
  [/\biPhone\b/, "iPhone"],
  [/\biPad\b/, "iPad"],
  [/\bAndroid\b/, "Android"],
  [/\bWindows\b/, "Windows"],
  [/\b(Macintosh|Mac OS X)\b/, "Mac"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b/, "Linux"],
];

/** Names a device for its owner from what it says of itself: "Firefox on Linux". It is a claim, and shown as one. */
export function describeDevice(userAgent: string | undefined, sessionClass: "browser" | "tv" | "app" | "tool"): string {
  const agent = (userAgent ?? "").slice(0, 500);
  const browser = browsers.find(([pattern]) => pattern.test(agent))?.[1];
  const system = systems.find(([pattern]) => pattern.test(agent))?.[1];
  if (sessionClass === "tv") return system === undefined || system === "a TV" ? "TV" : `TV page on ${system}`;
  if (browser !== undefined) return system === undefined ? browser : `${browser} on ${system}`;
  if (sessionClass === "tool") return "Tool";
  return sessionClass === "app" ? "App" : "Browser";
}
