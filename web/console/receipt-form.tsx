import { useState } from "react";
import { refusalText } from "../app/failed.tsx";
import { Field, Form, type Filled } from "../app/form.tsx";
import { isRefused } from "../app/api.ts";
import { saveReceipt } from "../app/receipt.ts";
import { say } from "../text/say.ts";

/** The receipt of one account's letter, as a file that others verify without this service. */
export function ReceiptForm({ id }: { readonly id: string }) {
  const [told, setTold] = useState<string | null>(null);

  async function save(filled: Filled) {
    setTold(null);
    try {
      await saveReceipt(`/api/incidents/${id}/letters/${encodeURIComponent(filled("account").trim())}/proof`);
    } catch (thrown) {
      const isNone = isRefused(thrown, "not-found") || isRefused(thrown, "invalid");
      setTold(isNone ? say("receipt.none") : refusalText(thrown));
    }
  }

  return (
    <details>
      <summary>{say("receipt.title")}</summary>
      <Form action={save} submit={say("receipt.save")}>
        <Field label={say("receipt.account")} hint={say("receipt.account.hint")} name="account" maxLength={36} />
      </Form>
      {told !== null && (
        <p className="error-text" role="alert">
          {told}
        </p>
      )}
    </details>
  );
}
