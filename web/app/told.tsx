import { bringIntoView } from "./bring-into-view.ts";
import { refusalText } from "./failed.tsx";

/** What came of an act that has no form to say it under. */
export interface Outcome {
  readonly text: string;
  readonly failed: boolean;
}

export const went = (text: string): Outcome => ({ text, failed: false });
export const refusedBy = (thrown: unknown): Outcome => ({ text: refusalText(thrown), failed: true });

/** Says it, in the manner of what went well or of what did not. The place for the first is always there, so that it is read out. */
export function Told({ outcome }: { readonly outcome: Outcome | null }) {
  return (
    <>
      <p className="told" role="status">
        {outcome?.failed === false && outcome.text}
      </p>
      {outcome?.failed === true && (
        <p className="error-text" role="alert" ref={bringIntoView}>
          {outcome.text}
        </p>
      )}
    </>
  );
}
