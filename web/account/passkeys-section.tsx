import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { PasskeyList } from "../../src/wire/passkeys.ts";
import { send } from "../app/api.ts";
import { Dialog } from "../app/dialog.tsx";
import { Failed } from "../app/failed.tsx";
import { Field, Form } from "../app/form.tsx";
import { addPasskey, whyNoPasskeys } from "../app/passkeys.ts";
import { Cancelled, useProved } from "../app/proof.tsx";
import { passkeysQuery } from "../app/queries.ts";
import { refusedBy, Told, went, type Outcome } from "../app/told.tsx";
import { say, showDate } from "../text/say.ts";

type Passkey = PasskeyList["passkeys"][number];
type Act = { readonly kind: "rename" | "remove"; readonly passkey: Passkey } | { readonly kind: "add" };

/** The account's passkeys: what each is called, when it was added and used, and whether it counts. */
export function PasskeysSection() {
  const list = useQuery(passkeysQuery);
  const [act, setAct] = useState<Act | null>(null);
  const [told, setTold] = useState<Outcome | null>(null);
  const queries = useQueryClient();
  const proved = useProved();

  async function done(words: string) {
    setTold(went(words));
    setAct(null);
    await queries.invalidateQueries();
  }

  async function keep(passkey: Passkey) {
    try {
      await proved(() => send("POST", `/api/account/passkeys/${passkey.id}/keep`, { body: {} }));
      await done(say("passkeys.kept", { name: passkey.name }));
    } catch (thrown) {
      if (!(thrown instanceof Cancelled)) setTold(refusedBy(thrown));
    }
  }

  const why = list.data === undefined ? null : whyNoPasskeys(list.data);
  return (
    <section className="card passkeys" aria-labelledby="passkeys">
      <div className="card-heading">
        <h2 id="passkeys">{say("passkeys.title")}</h2>
        {list.data !== undefined && why === null && (
          <button className="button-quiet" type="button" onClick={() => setAct({ kind: "add" })}>
            {say("passkeys.add")}
          </button>
        )}
      </div>
      <p className="soft">{say("passkeys.lead")}</p>
      {why !== null && list.data !== undefined && (
        <div className="notice">
          <strong>{say(`passkeys.why.${why}`)}</strong>
          {why === "elsewhere" && <a href={`${list.data.origin}/account`}>{list.data.origin}</a>}
        </div>
      )}
      <Told outcome={told} />
      {list.isLoadingError ? (
        <Failed error={list.error} retry={() => list.refetch()} />
      ) : list.data === undefined ? (
        <span className="skeleton is-row" role="status">
          <span className="visually-hidden">{say("passkeys.loading")}</span>
        </span>
      ) : list.data.passkeys.length === 0 ? (
        <div className="empty">
          <strong>{say("passkeys.none")}</strong>
        </div>
      ) : (
        <ul className="device-list">
          {list.data.passkeys.map((passkey) => (
            <PasskeyRow
              key={passkey.id}
              passkey={passkey}
              onRename={() => setAct({ kind: "rename", passkey })}
              onRemove={() => setAct({ kind: "remove", passkey })}
              onKeep={() => void keep(passkey)}
            />
          ))}
        </ul>
      )}
      {act !== null && <ActDialog act={act} onDone={done} onClose={() => setAct(null)} />}
    </section>
  );
}

interface RowProps {
  readonly passkey: Passkey;
  readonly onRename: () => void;
  readonly onRemove: () => void;
  readonly onKeep: () => void;
}

function PasskeyRow({ passkey, onRename, onRemove, onKeep }: RowProps) {
  const { name, addedAt, lastUsedAt, doubt } = passkey;
  return (
    <li>
      <svg className="device-mark" viewBox="0 0 24 24" aria-hidden="true">
        <path
          fill="currentColor"
          fillRule="evenodd"
          d="M8 3a6 6 0 0 1 5.700 8H22v4h-2v3h-4v-3h-2.300A6 6 0 1 1 8 3zm0 3.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5z"
        />
      </svg>
      <div className="device-words">
        <strong>{name}</strong>
        <span className="soft small">
          {[
            say("passkeys.added", { date: showDate(addedAt) }),
            lastUsedAt === null ? say("passkeys.never-used") : say("passkeys.used", { date: showDate(lastUsedAt) }),
          ].join(" · ")}
        </span>
        {doubt !== null && <span className="doubt">{say(`passkeys.doubt.${doubt}`)}</span>}
      </div>
      <span className="buttons">
        {doubt !== null && (
          <button
            className="button-quiet"
            type="button"
            onClick={onKeep}
            aria-label={say("passkeys.keep.label", { name })}
          >
            {say("passkeys.keep")}
          </button>
        )}
        <button
          className="button-quiet"
          type="button"
          onClick={onRename}
          aria-label={say("passkeys.rename.label", { name })}
        >
          {say("passkeys.rename")}
        </button>
        <button
          className="button-quiet"
          type="button"
          onClick={onRemove}
          aria-label={say("passkeys.remove.label", { name })}
        >
          {say("passkeys.remove")}
        </button>
      </span>
    </li>
  );
}

interface ActDialogProps {
  readonly act: Act;
  readonly onDone: (words: string) => Promise<void>;
  readonly onClose: () => void;
}

function ActDialog({ act, onDone, onClose }: ActDialogProps) {
  const proved = useProved();
  if (act.kind === "remove") {
    const { id, name } = act.passkey;
    return (
      <Dialog title={say("passkeys.remove.title", { name })} onClose={onClose}>
        <p>{say("passkeys.remove.what")}</p>
        <Form
          danger
          submit={say("passkeys.remove")}
          onCancel={onClose}
          action={async (_filled, data) => {
            const devices = data.get("signOutDevices") === null ? "keep" : "sign-out";
            await proved(() => send("DELETE", `/api/account/passkeys/${id}?devices=${devices}`));
            await onDone(say("passkeys.removed", { name }));
          }}
        >
          <label className="check">
            <input type="checkbox" name="signOutDevices" defaultChecked />
            <span>{say("passkeys.remove.devices")}</span>
            <span className="hint">{say("passkeys.remove.devices.hint")}</span>
          </label>
        </Form>
      </Dialog>
    );
  }
  const isNew = act.kind === "add";
  return (
    <Dialog
      title={isNew ? say("passkeys.add.title") : say("passkeys.rename.title", { name: act.passkey.name })}
      onClose={onClose}
    >
      {isNew && <p className="soft">{say("passkeys.add.what")}</p>}
      <Form
        submit={say(isNew ? "passkeys.add.go" : "passkeys.rename.go")}
        onCancel={onClose}
        action={async (filled) => {
          const name = filled("name");
          if (act.kind === "add") await proved(() => addPasskey(name));
          else await send("PUT", `/api/account/passkeys/${act.passkey.id}`, { body: { name } });
          await onDone(say(isNew ? "passkeys.added.done" : "passkeys.renamed", { name }));
        }}
      >
        <Field
          label={say("passkeys.name")}
          name="name"
          hint={say("passkeys.name.hint")}
          maxLength={100}
          defaultValue={isNew ? say("passkeys.name.usual") : act.passkey.name}
          autoFocus
        />
      </Form>
    </Dialog>
  );
}
