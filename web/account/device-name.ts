import type { Static } from "typebox";
import type { SessionClass } from "../../src/wire/common.ts";
import { say } from "../text/say.ts";

/** As the service describes a device from what its browser says of itself; a name that somebody gave it looks otherwise. */
const described =
  /^(Edge|Opera|Firefox|Samsung Internet|Chrome|Safari|TV page) on (a TV|iPhone|iPad|Android|Windows|Mac|ChromeOS|Linux)$/;
const unknown = new Set(["", "TV", "Tool", "App", "Browser"]);

/** A device's name in the reader's language. */
export function showDevice(label: string, sessionClass: Static<typeof SessionClass> | undefined): string {
  const [, browser, system] = described.exec(label) ?? [];
  if (browser !== undefined && system !== undefined) {
    const where = system === "a TV" ? say("device.system.tv") : system;
    return browser === "TV page"
      ? say("device.tv-page", { system: where })
      : say("device.on", { browser, system: where });
  }
  return unknown.has(label) && sessionClass !== undefined ? say(`class.${sessionClass}`) : label;
}
