export type Lights = "down" | "up";

const lightPages = ["/account", "/console", "/mailbox", "/operate"];

/** The lighting of a path: down to watch, up for anything about an account or the service. */
export const lightsOf = (pathname: string): Lights =>
  lightPages.some((page) => pathname === page || pathname.startsWith(`${page}/`)) ? "up" : "down";

export function setLights(lights: Lights): void {
  document.documentElement.dataset["lights"] = lights;
  const colour = lights === "up" ? "#faf5ec" : "#12100d";
  document.querySelector('meta[name="theme-color"]')?.setAttribute("content", colour);
}
