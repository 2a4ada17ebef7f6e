/** Whether the terminal only prints: nothing that stands there can be drawn over (terminfo(5), `dumb`). */
export const isDumbTerminal = (): boolean => process.env["TERM"] === "dumb";
