import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { AccountExport } from "../../src/wire/leaving.ts";
import { limits } from "../../src/wire/common.ts";
import { send } from "../app/api.ts";
import { Dialog } from "../app/dialog.tsx";
import { Failed } from "../app/failed.tsx";
import { Field, Form } from "../app/form.tsx";
import { Cancelled, useProved } from "../app/proof.tsx";
import { deletionQuery } from "../app/queries.ts";
import { refusedBy, Told, went, type Outcome } from "../app/told.tsx";
import { say, showInstant } from "../text/say.ts";

/** A file of everything that is known about the viewer, and the way out. */
export function LeavingSection() {
  const queries = useQueryClient();
  const deletion = useQuery(deletionQuery);
  const proved = useProved();
  const [told, setTold] = useState<Outcome | null>(null);
  const [busy, setBusy] = useState(false);
  const [asking, setAsking] = useState(false);
  const deleteAfter = deletion.data?.deleteAfter ?? null;

  async function run(work: () => Promise<string>) {
    setBusy(true);
    try {
      setTold(went(await work()));
    } catch (thrown) {
      if (!(thrown instanceof Cancelled)) setTold(refusedBy(thrown));
    }
    setBusy(false);
    await queries.invalidateQueries();
  }

  return (
    <section className="card is-across" aria-labelledby="leaving">
      <h2 id="leaving">{say("account.leaving")}</h2>
      <p className="soft">{say("account.leaving.lead")}</p>
      <Told outcome={told} />
      <div className="buttons">
        <button
          className="button-quiet"
          type="button"
          disabled={busy}
          onClick={() =>
            void run(async () => {
              save(await proved(() => send<AccountExport>("POST", "/api/account/export", { body: {} })));
              return say("account.export.done");
            })
          }
        >
          {say("account.export")}
        </button>
        {deletion.data !== undefined && deleteAfter === null && (
          <button className="button-quiet" type="button" disabled={busy} onClick={() => setAsking(true)}>
            {say("account.delete")}
          </button>
        )}
      </div>
      {deletion.isLoadingError && <Failed error={deletion.error} retry={() => deletion.refetch()} />}
      {deleteAfter !== null && (
        <div className="notice is-alarm" role="status">
          <strong>{say("account.delete.planned", { at: showInstant(deleteAfter) })}</strong>
          <span>{say("account.delete.planned.what")}</span>
          <button
            className="button"
            type="button"
            disabled={busy}
            onClick={() =>
              void run(async () => {
                await send("DELETE", "/api/account/deletion");
                return say("account.delete.kept");
              })
            }
          >
            {say("account.delete.keep")}
          </button>
        </div>
      )}
      {asking && (
        <Dialog title={say("account.delete.title")} alarm onClose={() => setAsking(false)}>
          <p>{say("account.delete.what")}</p>
          <Form
            danger
            submit={say("account.delete.go")}
            onCancel={() => setAsking(false)}
            action={async (filled) => {
              const body = { confirmation: filled("confirmation") };
              await proved(() => send("POST", "/api/account/deletion", { body }));
              setAsking(false);
              await queries.invalidateQueries();
            }}
          >
            <Field
              label={say("account.delete.confirmation")}
              name="confirmation"
              autoComplete="off"
              maxLength={limits.addressLength}
              autoFocus
            />
          </Form>
        </Dialog>
      )}
    </section>
  );
}

/** Hands the file to the browser, as if a link to it had been followed. */
function save(exported: AccountExport): void {
  const file = new Blob([`${JSON.stringify(exported, null, 2)}\n`], { type: "application/json" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `account-${exported.exportedAt.slice(0, 10)}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}
