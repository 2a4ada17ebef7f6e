import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Operators } from "../../src/wire/accounts.ts";
import { isRefused, send } from "../app/api.ts";
import { Dialog } from "../app/dialog.tsx";
import { Failed, refusalText } from "../app/failed.tsx";
import { Field, Form } from "../app/form.tsx";
import { Cancelled, useProved } from "../app/proof.tsx";
import { operatorsQuery } from "../app/queries.ts";
import { say, showExact } from "../text/say.ts";

type Operator = Operators["operators"][number];

export const nameOf = (operator: Operator): string =>
  operator.name || operator.addresses[0] || operator.accountId.slice(0, 8);

export function OperatorList() {
  const operators = useQuery(operatorsQuery);
  const queries = useQueryClient();
  const proved = useProved();
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Operator | null>(null);
  const [keeping, setKeeping] = useState<Operator | null>(null);
  const [told, setTold] = useState<string | null>(null);
  const all = operators.data?.operators ?? [];
  // Those whom somebody may have named with what was stolen, apart from the others.
  const strange = all.filter(({ isNew, counts }) => isNew || !counts);
  const again = () => queries.invalidateQueries({ queryKey: operatorsQuery.queryKey });

  async function remove(operator: Operator) {
    setRemoving(null);
    setTold(null);
    try {
      await proved(() => send("DELETE", `/api/operators/${operator.accountId}`));
    } catch (thrown) {
      if (isRefused(thrown, "last-operator")) setTold(say("console.operators.last"));
      else if (!(thrown instanceof Cancelled)) setTold(refusalText(thrown));
    }
    await again();
  }

  const list = (some: readonly Operator[]) => (
    <ul className="plain-list">
      {some.map((operator) => (
        <OperatorRow
          key={operator.accountId}
          operator={operator}
          all={all}
          onKeep={() => setKeeping(operator)}
          onRemove={() => setRemoving(operator)}
        />
      ))}
    </ul>
  );

  return (
    <section className="card" aria-labelledby="operators">
      <div className="card-heading">
        <h2 id="operators">{say("console.operators")}</h2>
        <button className="button-quiet" type="button" onClick={() => setAdding(true)}>
          {say("console.operators.add")}
        </button>
      </div>
      {told !== null && (
        <p className="error-text" role="alert">
          {told}
        </p>
      )}
      {operators.isLoadingError && <Failed error={operators.error} retry={() => operators.refetch()} />}
      {strange.length > 0 && (
        <>
          <h3>{say("console.operators.new")}</h3>
          {list(strange)}
          {strange.length < all.length && <h3>{say("console.operators.older")}</h3>}
        </>
      )}
      {list(all.filter((one) => !strange.includes(one)))}
      {adding && (
        <Dialog title={say("console.operators.add")} onClose={() => setAdding(false)}>
          <Form
            submit={say("console.operators.add")}
            onCancel={() => setAdding(false)}
            action={async (filled) => {
              await proved(() => send("POST", "/api/operators", { body: { address: filled("address") } }));
              setAdding(false);
              await again();
            }}
          >
            <Field label={say("console.operators.address")} name="address" type="email" maxLength={254} autoFocus />
          </Form>
        </Dialog>
      )}
      {keeping !== null && (
        <Dialog title={say("console.operators.keep.label", { name: nameOf(keeping) })} onClose={() => setKeeping(null)}>
          <p>{say("console.operators.keep.what")}</p>
          <Form
            submit={say("console.operators.keep")}
            onCancel={() => setKeeping(null)}
            action={async () => {
              await proved(() => send("POST", `/api/operators/${keeping.accountId}/keep`));
              setKeeping(null);
              await again();
            }}
          >
            {null}
          </Form>
        </Dialog>
      )}
      {removing !== null && (
        <Dialog
          alarm
          title={say("console.operators.remove.label", { name: nameOf(removing) })}
          onClose={() => setRemoving(null)}
        >
          <p>{say("console.operators.remove.what")}</p>
          <div className="buttons">
            <button className="button-danger" type="button" onClick={() => void remove(removing)}>
              {say("console.operators.remove")}
            </button>
            <button className="button-quiet" type="button" autoFocus onClick={() => setRemoving(null)}>
              {say("cancel")}
            </button>
          </div>
        </Dialog>
      )}
    </section>
  );
}

interface OperatorRowProps {
  readonly operator: Operator;
  readonly all: readonly Operator[];
  readonly onKeep: () => void;
  readonly onRemove: () => void;
}

function OperatorRow({ operator, all, onKeep, onRemove }: OperatorRowProps) {
  const { named } = operator;
  const author = all.find(({ accountId }) => accountId === named?.by);
  const by = author === undefined ? (named?.by ?? "").slice(0, 8) : nameOf(author);
  return (
    <li className="operator">
      <span>
        <strong>{nameOf(operator)}</strong>
        {operator.current && <span className="soft"> ({say("console.operators.you")})</span>}
        <span className="soft small address">{operator.addresses.join(", ")}</span>
        <span className="soft small address">
          {named === null
            ? say("console.operators.unrecorded")
            : named.by === "host"
              ? say("console.operators.named.host", { at: showExact(named.at) })
              : say("console.operators.named", { at: showExact(named.at), by })}
        </span>
        {!operator.counts && <span className="small address">{say("console.operators.aside")}</span>}
      </span>
      <span className="buttons">
        {!operator.counts && (
          <button
            className="button-quiet"
            type="button"
            aria-label={say("console.operators.keep.label", { name: nameOf(operator) })}
            onClick={onKeep}
          >
            {say("console.operators.keep")}
          </button>
        )}
        <button
          className="button-quiet"
          type="button"
          aria-label={say("console.operators.remove.label", { name: nameOf(operator) })}
          onClick={onRemove}
        >
          {say("console.operators.remove")}
        </button>
      </span>
    </li>
  );
}
