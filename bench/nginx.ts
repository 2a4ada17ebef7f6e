import { spawn } from "node:child_process";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "../src/kernel/clock.ts";
import { freePort } from "../src/incidents/drill/free-port.ts";
import type { Bench } from "./bench.ts";
import { needProgram } from "./programs.ts";
import { temporaryFolder, type Measurable } from "./surroundings.ts";

/**
 * nginx with sendfile over what lies in a folder, as its documentation sets it up for large files, one worker for each
 * processor and nothing logged. @returns the port and the folder that it serves.
 */
export async function startNginx(
  { onEnd, say }: Pick<Bench, "onEnd" | "say">,
  workers: number,
): Promise<Measurable & { readonly folder: string }> {
  const nginx = await needProgram("nginx", "nginx-light", say);
  const home = await temporaryFolder({ onEnd });
  const folder = join(home, "files");
  await mkdir(folder);
  // Its workers are another user than root's.
  await chmod(home, 0o755);
  const port = await freePort();
  const own = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${home}/${kind};`);
  const settings = `daemon off; pid ${home}/pid; error_log ${home}/errors warn; worker_processes ${workers};
events { worker_connections 1024; }
http {
  ${own.join(" ")}
  access_log off; default_type video/mp4;
  sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=1000;
  server { listen 127.0.0.1:${port}; root ${folder}; }
}
`;
  await writeFile(join(home, "nginx.conf"), settings);
  const child = spawn(nginx, ["-p", home, "-e", `${home}/errors`, "-c", join(home, "nginx.conf")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  onEnd(async () => {
    child.kill("SIGTERM");
    await exited;
  });
  child.once("error", () => undefined);
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
    const answers = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (answers) return { port, folder };
    await sleep(50);
  }
  throw new Error("nginx does not answer");
}
