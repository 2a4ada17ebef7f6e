import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Static } from "typebox";
import type { DeviceList, SignedOut } from "../../src/wire/accounts.ts";
import { send } from "../app/api.ts";
import { useNow } from "../app/clock.ts";
import { Dialog } from "../app/dialog.tsx";
import { signOut } from "../app/page-frame.tsx";
import { Cancelled, useProved } from "../app/proof.tsx";
import { devicesQuery } from "../app/queries.ts";
import { refusedBy, Told, went, type Outcome } from "../app/told.tsx";
import { say, sayCount, showAgo } from "../text/say.ts";
import { showDevice } from "./device-name.ts";

export function DevicesSection({ devices }: { readonly devices: DeviceList["devices"] }) {
  const now = useNow();
  const queries = useQueryClient();
  const proved = useProved();
  const [asking, setAsking] = useState(false);
  const [told, setTold] = useState<Outcome | null>(null);
  const [leaving, setLeaving] = useState<string | null>(null);
  const current = devices.find((device) => device.current);
  const ordered = devices.toSorted(
    (one, other) => Number(other.current) - Number(one.current) || other.lastSeenAt.localeCompare(one.lastSeenAt),
  );

  async function end(path: string) {
    try {
      const ended = await proved(() => send<Static<typeof SignedOut> | undefined>("DELETE", path));
      setTold(went(sayCount("account.devices.ended", ended?.ended ?? 1)));
    } catch (thrown) {
      if (!(thrown instanceof Cancelled)) setTold(refusedBy(thrown));
    }
    setLeaving(null);
    await queries.invalidateQueries({ queryKey: devicesQuery.queryKey });
  }

  async function leave(sessionId: string) {
    try {
      await signOut(sessionId);
    } catch (thrown) {
      setTold(refusedBy(thrown));
      setLeaving(null);
    }
  }

  return (
    <section className="card devices" aria-labelledby="devices">
      <div className="card-heading">
        <h2 id="devices">{say("account.devices")}</h2>
        <a className="button-quiet" href="/link">
          {say("account.link")}
        </a>
      </div>
      <p className="soft">{say("account.devices.lead")}</p>
      <Told outcome={told} />
      <ul className="device-list">
        {ordered.map((device) => (
          <li key={device.id} className={device.current ? "is-current" : undefined}>
            <DeviceMark kind={device.class} />
            <div className="device-words">
              <strong>{showDevice(device.label, device.class)}</strong>
              <span className="soft small">
                {[
                  say(`class.${device.class}`),
                  device.network === "" ? "" : say("account.device.from", { network: device.network }),
                  device.current
                    ? say("account.device.current")
                    : say("account.device.seen", { ago: showAgo(device.lastSeenAt, now) }),
                ]
                  .filter((part) => part !== "")
                  .join(" · ")}
              </span>
            </div>
            <button
              className="button-quiet"
              type="button"
              disabled={leaving === device.id}
              aria-label={say("account.device.sign-out.label", { device: showDevice(device.label, device.class) })}
              onClick={() => {
                setLeaving(device.id);
                void (device.current ? leave(device.id) : end(`/api/sessions/${device.id}`));
              }}
            >
              {say("account.device.sign-out")}
            </button>
          </li>
        ))}
      </ul>
      {devices.length > 1 && current !== undefined && (
        <div className="buttons">
          <button className="button" type="button" onClick={() => setAsking(true)}>
            {say("account.devices.others")}
          </button>
        </div>
      )}
      {asking && (
        <Dialog title={say("account.devices.others.title")} onClose={() => setAsking(false)}>
          <p>{say("account.devices.others.what")}</p>
          <div className="buttons">
            <button
              className="button"
              type="button"
              autoFocus
              onClick={() => {
                setAsking(false);
                void end("/api/sessions?except=current");
              }}
            >
              {say("account.devices.others")}
            </button>
            <button className="button-quiet" type="button" onClick={() => setAsking(false)}>
              {say("cancel")}
            </button>
          </div>
        </Dialog>
      )}
    </section>
  );
}

const marks = {
  browser: "M3 5h18v14H3zm2 4v8h14V9z",
  tv: "M2 5h20v12H2zm2 2v8h16V7zm4 12h8v2H8z",
  app: "M7 2h10v20H7zm2 3v13h6V5z",
  tool: "M4 5h16v14H4zm2 2v10h12V7zm1.5 2L11 12l-3.500 3v-2l1.300-1-1.300-1z",
} as const;

function DeviceMark({ kind }: { readonly kind: keyof typeof marks }) {
  return (
    <svg className="device-mark" viewBox="0 0 24 24" aria-hidden="true">
      <path fill="currentColor" fillRule="evenodd" d={marks[kind]} />
    </svg>
  );
}
