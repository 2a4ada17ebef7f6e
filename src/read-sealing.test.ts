import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

/** Asks on a terminal of its own, and types. @returns all that the terminal showed. */
async function typed(keys: string): Promise<string> {
  const room = JSON.stringify(new URL("./read-sealing.ts", import.meta.url).href);
  const program = `
    const { askPassphrase } = await import(${room});
    await askPassphrase("passphrase: ").then(
      (typed) => console.log("typed " + typed.revealText().length + " characters"),
      (thrown) => console.log("refused: " + thrown.message),
    );`;
  const command = [process.execPath, "--input-type=module", "-e", program];
  const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const terminal = spawn("script", ["-qec", quoted, "/dev/null"], { cwd, stdio: ["pipe", "pipe", "inherit"] });
  let shown = "";
  terminal.stdout.on("data", (chunk: Buffer) => {
    const isAsked = shown.includes("passphrase: ");
    shown += chunk.toString();
    if (!isAsked && shown.includes("passphrase: ")) terminal.stdin.write(keys);
  });
  await new Promise((resolve) => terminal.once("close", resolve));
  return shown;
}

test.runIf(process.platform === "linux")(
  "a passphrase is typed unseen, and one that is not typed is said to be none",
  async () => {
    const passphrase = "lanterns along the harbour";
    const shown = await typed(`${passphrase}\r`);
    expect(shown).toContain(`typed ${passphrase.length} characters`);
    expect(shown).not.toContain("lanterns");
    for (const left of ["\u0003", "\u0004"]) expect(await typed(left)).toContain("refused: no passphrase was typed");
  },
);
