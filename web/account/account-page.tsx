import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Account, DeviceList, SignedOut } from "../../src/wire/accounts.ts";
import type { Static } from "typebox";
import { send } from "../app/api.ts";
import { useNow } from "../app/clock.ts";
import { Dialog } from "../app/dialog.tsx";
import { Failed, refusalText } from "../app/failed.tsx";
import { Field, Form, textOf, type Filled } from "../app/form.tsx";
import { PageFrame, signOut } from "../app/page-frame.tsx";
import { Cancelled, useProved } from "../app/proof.tsx";
import { accountQuery, devicesQuery } from "../app/queries.ts";
import { say, sayCount, showAgo, showDate } from "../text/say.ts";
import "./account.css";

/** NIST SP 800-63B-4 section 3.1.1.2(1); the server decides, the field only helps. */
const passwordLength = 15;

export function AccountPage() {
  const account = useQuery(accountQuery);
  const devices = useQuery(devicesQuery);
  const failed = account.error ?? devices.error;
  return (
    <PageFrame title={say("account.title")} className="account">
      <div className="narrow">
        <div className="page-heading">
          <h1>{say("account.title")}</h1>
          <p className="lead">{say("account.lead")}</p>
        </div>
        {failed !== null ? (
          <Failed
            error={failed}
            retry={() => {
              void account.refetch();
              void devices.refetch();
            }}
          />
        ) : account.data === undefined || devices.data === undefined ? (
          <div className="account-parts" role="status">
            <span className="visually-hidden">{say("account.loading")}</span>
            <span className="skeleton is-card" />
            <span className="skeleton is-card" />
            <span className="skeleton is-card" />
          </div>
        ) : (
          <div className="account-parts">
            <Devices devices={devices.data.devices} />
            <You account={account.data} />
            <Password account={account.data} />
          </div>
        )}
      </div>
    </PageFrame>
  );
}

function You({ account }: { readonly account: Account }) {
  return (
    <section className="card" aria-labelledby="you">
      <h2 id="you">{say("account.you")}</h2>
      <dl className="known">
        {account.name !== "" && (
          <>
            <dt>{say("account.name")}</dt>
            <dd>{account.name}</dd>
          </>
        )}
        <dt>{say("account.addresses")}</dt>
        <dd>
          {account.addresses.length === 0 && say("account.no-address")}
          {account.addresses.map(({ id, address, confirmedAt }) => (
            <span key={id} className="address">
              {address} <span className="soft small">{say("account.confirmed", { date: showDate(confirmedAt) })}</span>
            </span>
          ))}
        </dd>
      </dl>
      <p className="soft small">{say("account.since", { date: showDate(account.createdAt) })}</p>
    </section>
  );
}

function Password({ account }: { readonly account: Account }) {
  const proved = useProved();
  const queries = useQueryClient();
  const [done, setDone] = useState<string | null>(null);
  const hasPassword = account.passwordSetAt !== null;

  async function change(filled: Filled, data: FormData) {
    const signOutDevices = data.get("signOutDevices") !== null;
    await proved(() =>
      send("POST", "/api/password", {
        body: {
          ...(hasPassword ? { currentPassword: textOf(data, "currentPassword") } : {}),
          newPassword: textOf(data, "newPassword"),
          signOutDevices,
        },
      }),
    );
    setDone(say(signOutDevices ? "account.password.changed.devices" : "account.password.changed"));
    await queries.invalidateQueries();
  }

  return (
    <section className="card" aria-labelledby="password">
      <h2 id="password">{say("account.password")}</h2>
      <p className="soft">
        {account.passwordSetAt === null
          ? say("account.password.none")
          : say("account.password.set", { date: showDate(account.passwordSetAt) })}
      </p>
      {done !== null && (
        <div className="notice" role="status">
          <strong>{done}</strong>
        </div>
      )}
      <Form action={change} submit={say("account.password.change")}>
        <input type="text" autoComplete="username" value={account.addresses[0]?.address ?? ""} readOnly hidden />
        {hasPassword && (
          <Field
            label={say("account.password.current")}
            name="currentPassword"
            type="password"
            autoComplete="current-password"
          />
        )}
        <Field
          label={say("account.password.new")}
          name="newPassword"
          type="password"
          autoComplete="new-password"
          hint={say("account.password.hint", { count: passwordLength })}
          minLength={8}
          maxLength={1_024}
        />
        <label className="check">
          <input type="checkbox" name="signOutDevices" defaultChecked />
          <span>{say("account.password.devices")}</span>
          <span className="hint">{say("account.password.devices.hint")}</span>
        </label>
      </Form>
    </section>
  );
}

function Devices({ devices }: { readonly devices: DeviceList["devices"] }) {
  const now = useNow();
  const queries = useQueryClient();
  const proved = useProved();
  const [asking, setAsking] = useState(false);
  const [told, setTold] = useState<string | null>(null);
  const [leaving, setLeaving] = useState<string | null>(null);
  const current = devices.find((device) => device.current);
  const ordered = devices.toSorted(
    (one, other) => Number(other.current) - Number(one.current) || other.lastSeenAt.localeCompare(one.lastSeenAt),
  );

  async function end(path: string) {
    try {
      const ended = await proved(() => send<Static<typeof SignedOut> | undefined>("DELETE", path));
      setTold(sayCount("account.devices.ended", ended?.ended ?? 1));
    } catch (thrown) {
      if (!(thrown instanceof Cancelled)) setTold(refusalText(thrown));
    }
    await queries.invalidateQueries({ queryKey: devicesQuery.queryKey });
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
      <p className="told" role="status">
        {told}
      </p>
      <ul className="device-list">
        {ordered.map((device) => (
          <li key={device.id} className={device.current ? "is-current" : undefined}>
            <DeviceMark kind={device.class} />
            <div className="device-words">
              <strong>{device.label || say(`class.${device.class}`)}</strong>
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
              aria-label={say("account.device.sign-out.label", { device: device.label })}
              onClick={() => {
                setLeaving(device.id);
                void (device.current ? signOut(device.id) : end(`/api/sessions/${device.id}`));
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
