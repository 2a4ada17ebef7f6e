import { useQuery } from "@tanstack/react-query";
import { Command } from "../app/command.tsx";
import { incidentQuery, type ConsoleNumbers } from "../app/queries.ts";
import { say, showNumber } from "../text/say.ts";

type Disk = NonNullable<ConsoleNumbers["disk"]>;
const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;

/** Whole MiB, or GiB where there are many. */
export const roomText = (bytes: number): string =>
  bytes < 10 * gibibyte
    ? say("disk.mib", { count: showNumber(Math.floor(bytes / mebibyte)) })
    : say("disk.gib", { count: showNumber(Math.floor(bytes / gibibyte)) });

const isShort = ({ reserveBytes, wantedReserveBytes }: Disk): boolean => reserveBytes < wantedReserveBytes;

/** That room is scarce on the disk of the built-in database, or used up; and then what works still. Nothing while all is well. */
export function DiskNotice({ disk, incident }: Pick<ConsoleNumbers, "disk" | "incident">) {
  if (disk === null || (disk.state === "well" && !isShort(disk))) return null;
  const isFull = disk.state === "full";
  return (
    // A region that is inserted together with its words is read out reliably only if it is an alert.
    <div
      className={`notice${isFull || isShort(disk) ? " is-alarm" : ""}`}
      role={isFull ? "alert" : "status"}
      key={disk.state}
    >
      {disk.state !== "well" && <strong>{say(isFull ? "disk.full" : "disk.low")}</strong>}
      {isFull && <span>{say("disk.full.what")}</span>}
      {isFull && <ContainOnHost incident={incident} />}
      {isShort(disk) && <span>{say("disk.short")}</span>}
    </div>
  );
}

/** Where to contain while a full disk lets no page do so, unless it is done. */
function ContainOnHost({ incident }: Pick<ConsoleNumbers, "incident">) {
  const known = useQuery({ ...incidentQuery(incident ?? ""), enabled: incident !== null });
  if (incident !== null && known.data?.containedAt != null) return null;
  return (
    <>
      <span>{say("disk.full.contain")}</span>
      <Command>houselights incident contain --reason TEXT</Command>
    </>
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
