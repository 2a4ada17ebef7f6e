import type { ConsoleNumbers } from "../app/queries.ts";
import { say, showNumber } from "../text/say.ts";

type Disk = NonNullable<ConsoleNumbers["disk"]>;
const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;

/** Whole MiB, or GiB where there are many. */
export const roomText = (bytes: number): string =>
  bytes < 10 * gibibyte
    ? `${showNumber(Math.floor(bytes / mebibyte))} MiB`
    : `${showNumber(Math.floor(bytes / gibibyte))} GiB`;

const isShort = ({ reserveBytes, wantedReserveBytes }: Disk): boolean => reserveBytes < wantedReserveBytes;

/** That room is scarce on the disk of the built-in database, or used up; and then what works still. Nothing while all is well. */
export function DiskNotice({ disk }: { readonly disk: ConsoleNumbers["disk"] }) {
  if (disk === null || (disk.state === "well" && !isShort(disk))) return null;
  return (
    <div className={`notice${disk.state === "full" || isShort(disk) ? " is-alarm" : ""}`} role="status">
      {disk.state !== "well" && <strong>{say(disk.state === "full" ? "disk.full" : "disk.low")}</strong>}
      {disk.state === "full" && (
        <pre className="command" tabIndex={0}>
          houselights incident contain --reason TEXT
        </pre>
      )}
      {isShort(disk) && <span>{say("disk.short")}</span>}
    </div>
  );
}

/** The same in figures, on any day. */
export function DiskCard({ disk }: { readonly disk: Disk }) {
  const { freeBytes, sizeBytes, reserveBytes, wantedReserveBytes } = disk;
  return (
    <section className="card is-wide" aria-labelledby="disk">
      <h2 id="disk">{say("disk.title")}</h2>
      <p>
        {say("disk.free", { free: roomText(freeBytes), size: roomText(sizeBytes) })}
        {" · "}
        {say("disk.reserve", { reserve: roomText(reserveBytes), wanted: roomText(wantedReserveBytes) })}
      </p>
    </section>
  );
}
