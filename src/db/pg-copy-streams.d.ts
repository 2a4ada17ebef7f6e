// The package has no types of its own; these are the two calls that backup.ts makes.
declare module "pg-copy-streams" {
  import type { Readable, Writable } from "node:stream";
  import type { Connection, Submittable } from "pg";

  interface CopyToStream extends Readable, Submittable {
    submit(connection: Connection): void;
    readonly rowCount: number;
  }
  interface CopyFromStream extends Writable, Submittable {
    submit(connection: Connection): void;
    readonly rowCount: number;
  }
  export function to(sql: string): CopyToStream;
  export function from(sql: string): CopyFromStream;
}
