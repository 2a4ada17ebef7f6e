import { statfs } from "node:fs/promises";

/** `f_type` of statfs(2) for what the kernel makes up while it is read; what lies there changes by itself, and may not end. */
const made: Readonly<Record<number, string>> = {
  0x9fa0: "proc",
  0x62656572: "sysfs",
  0x1cd1: "devpts",
  0x27e0eb: "cgroup",
  0x63677270: "cgroup2",
  0x64626720: "debugfs",
  0x74726163: "tracefs",
  0x73636673: "securityfs",
  0xcafe4a11: "bpf",
};

/** The name of the file system if it holds no files of a disk; `undefined` for all others, and for a folder that is not there. */
export async function kernelFileSystem(folder: string | Buffer): Promise<string | undefined> {
  // Linux alone numbers its file systems so.
  if (process.platform !== "linux") return undefined;
  const { type } = await statfs(folder).catch(() => ({ type: 0 }));
  return made[type >>> 0];
}
