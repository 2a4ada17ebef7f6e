import { useState } from "react";
import type { FoundAccount, RecoveryStarted } from "../../src/wire/recoveries.ts";
import type { Static } from "typebox";
import { isRefused, send } from "../app/api.ts";
import { Dialog } from "../app/dialog.tsx";
import { refusalText } from "../app/failed.tsx";
import { Field, Form, type Filled } from "../app/form.tsx";
import { Cancelled, useProved } from "../app/proof.tsx";
import { say, showExact } from "../text/say.ts";

/** The way back of somebody who has lost every other: found by an address, started here, and chosen by nobody here. */
export function RecoveryCard() {
  const [isOpen, setOpen] = useState(false);
  return (
    <section className="card" aria-labelledby="recovery">
      <div className="card-heading">
        <h2 id="recovery">{say("recovery.title")}</h2>
        <button className="button-quiet" type="button" onClick={() => setOpen(true)}>
          {say("recovery.find")}
        </button>
      </div>
      <p className="soft">{say("recovery.what")}</p>
      {isOpen && <RecoveryDialog onClose={() => setOpen(false)} />}
    </section>
  );
}

type Done =
  { readonly kind: "started"; readonly readyAt: string; readonly expiresAt: string } | { readonly kind: "ended" };

function RecoveryDialog({ onClose }: { readonly onClose: () => void }) {
  const proved = useProved();
  const [found, setFound] = useState<(FoundAccount & { readonly by: string }) | null>(null);
  const [done, setDone] = useState<Done | null>(null);

  async function find(filled: Filled) {
    const by = filled("address");
    const answer = await proved(() => send<FoundAccount>("POST", "/api/recoveries/lookup", { body: { address: by } }));
    setFound({ ...answer, by });
  }

  async function start(filled: Filled) {
    if (found === null) return;
    const withoutSecondFactor = filled("withoutSecondFactor") !== "";
    const { readyAt, expiresAt } = await proved(() =>
      send<Static<typeof RecoveryStarted>>("POST", "/api/recoveries", {
        body: { accountId: found.accountId, address: filled("newAddress"), withoutSecondFactor },
      }),
    );
    setDone({ kind: "started", readyAt, expiresAt });
  }

  if (done !== null) {
    return (
      <Dialog title={say("recovery.title")} onClose={onClose}>
        <p role="status">
          {done.kind === "ended"
            ? say("recovery.ended")
            : say("recovery.started", { from: showExact(done.readyAt), to: showExact(done.expiresAt) })}
        </p>
        <button className="button" type="button" autoFocus onClick={onClose}>
          {say("close")}
        </button>
      </Dialog>
    );
  }
  if (found === null) {
    return (
      <Dialog title={say("recovery.find")} onClose={onClose}>
        <Form action={find} submit={say("recovery.find.go")} onCancel={onClose}>
          <Field
            label={say("recovery.address")}
            hint={say("recovery.address.hint")}
            name="address"
            type="email"
            maxLength={254}
            autoFocus
          />
        </Form>
      </Dialog>
    );
  }
  return (
    <Dialog title={say("recovery.of", { address: found.by })} onClose={onClose}>
      <p className="soft small">
        {say("recovery.account", { since: showExact(found.createdAt), count: found.addresses })}{" "}
        {say(found.secondFactor ? "recovery.account.factor" : "recovery.account.no-factor")}
      </p>
      {found.recovery === null ? (
        <Form action={start} submit={say("recovery.start")} onCancel={onClose}>
          <Field
            label={say("recovery.new-address")}
            hint={say("recovery.new-address.hint")}
            name="newAddress"
            type="email"
            maxLength={254}
            autoFocus
          />
          {found.secondFactor && (
            <label className="check">
              <input type="checkbox" name="withoutSecondFactor" value="yes" />
              <span>{say("recovery.without-factor")}</span>
            </label>
          )}
        </Form>
      ) : (
        <UnderWay
          found={found}
          recovery={found.recovery}
          onEnded={() => setDone({ kind: "ended" })}
          onClose={onClose}
        />
      )}
    </Dialog>
  );
}

interface UnderWayProps {
  readonly found: FoundAccount;
  readonly recovery: NonNullable<FoundAccount["recovery"]>;
  readonly onEnded: () => void;
  readonly onClose: () => void;
}

function UnderWay({ found, recovery, onEnded, onClose }: UnderWayProps) {
  const proved = useProved();
  const [told, setTold] = useState<string | null>(null);

  async function end() {
    setTold(null);
    try {
      await proved(() => send("DELETE", `/api/recoveries/${found.accountId}`));
      onEnded();
    } catch (thrown) {
      // Its owner was quicker.
      if (isRefused(thrown, "not-found")) onEnded();
      else if (!(thrown instanceof Cancelled)) setTold(refusalText(thrown));
    }
  }

  return (
    <>
      <p>
        {say("recovery.under-way", { from: showExact(recovery.readyAt), to: showExact(recovery.expiresAt) })}
        {recovery.withoutSecondFactor && ` ${say("recovery.under-way.without-factor")}`}
      </p>
      {told !== null && (
        <p className="error-text" role="alert">
          {told}
        </p>
      )}
      <div className="buttons">
        <button className="button-danger" type="button" onClick={() => void end()}>
          {say("recovery.end")}
        </button>
        <button className="button-quiet" type="button" autoFocus onClick={onClose}>
          {say("cancel")}
        </button>
      </div>
    </>
  );
}
