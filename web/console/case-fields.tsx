import type { AmendIncident, IncidentStatus, OpenIncident } from "../../src/wire/incidents.ts";
import { Field, type Filled } from "../app/form.tsx";
import { say } from "../text/say.ts";

const classes = [
  "addresses",
  "names",
  "password records",
  "sessions",
  "second factors",
  "viewing history",
] as const satisfies OpenIncident["dataClasses"];

const keyAnswers = ["no", "unknown", "yes"] as const;

/** As a field for day and time has it: in the reader's own clock, to the minute. */
function minuteHere(iso: string | null | undefined): string {
  if (iso == null) return "";
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** What may be known of a theft, when its case is opened or later. */
export function CaseFields({ known }: { readonly known?: IncidentStatus }) {
  return (
    <>
      <Field
        label={say("console.start.how")}
        name="foundHow"
        maxLength={500}
        required={false}
        defaultValue={known?.foundHow ?? ""}
      />
      {known !== undefined && (
        <Field
          label={say("case.found")}
          name="foundAt"
          type="datetime-local"
          defaultValue={minuteHere(known.foundAt)}
        />
      )}
      <Field
        label={say("console.start.copied")}
        name="copiedAt"
        type="datetime-local"
        required={false}
        defaultValue={minuteHere(known?.copiedAt)}
      />
      <fieldset className="choice is-columns">
        <legend>{say("console.start.classes")}</legend>
        {classes.map((one) => (
          <label key={one} className="check">
            <input
              type="checkbox"
              name="dataClasses"
              value={one}
              defaultChecked={known?.dataClasses.includes(one) ?? false}
            />
            <span>{say(`data.${one}`)}</span>
          </label>
        ))}
      </fieldset>
      <fieldset className="choice is-columns">
        <legend>{say("console.start.keys")}</legend>
        {keyAnswers.map((one) => (
          <label key={one} className="check">
            <input
              type="radio"
              name="keysReachable"
              value={one}
              defaultChecked={one === (known?.keysReachable ?? "unknown")}
            />
            <span>{say(`console.keys.${one}`)}</span>
          </label>
        ))}
      </fieldset>
    </>
  );
}

/** What the fields say. An instant that was not touched is left out: the field has its minute, and the case its second. */
export function readCaseFields(filled: Filled, data: FormData, known?: IncidentStatus) {
  const foundHow = filled("foundHow");
  const keysReachable = keyAnswers.find((answer) => answer === filled("keysReachable"));
  const instant = (name: "copiedAt" | "foundAt"): string | undefined => {
    const typed = filled(name);
    return typed === "" || typed === minuteHere(known?.[name]) ? undefined : new Date(typed).toISOString();
  };
  const [copiedAt, foundAt] = [instant("copiedAt"), instant("foundAt")];
  return {
    dataClasses: classes.filter((one) => data.getAll("dataClasses").includes(one)),
    ...(foundHow === "" ? {} : { foundHow }),
    ...(copiedAt === undefined ? {} : { copiedAt }),
    ...(foundAt === undefined ? {} : { foundAt }),
    ...(keysReachable === undefined ? {} : { keysReachable }),
  };
}

/**
 * What the fields say otherwise than what is known: the rest is left out, so that it takes nothing back that somebody else has
 * said meanwhile. The copy's instant is taken back by emptying its field.
 */
export function readChangedFields(filled: Filled, data: FormData, known: IncidentStatus): AmendIncident {
  const { dataClasses, foundHow, keysReachable, ...instants } = readCaseFields(filled, data, known);
  const isTakenBack = known.copiedAt !== null && filled("copiedAt") === "";
  const isSameData = classes.every((one) => known.dataClasses.includes(one) === dataClasses.includes(one));
  return {
    ...instants,
    ...(isTakenBack ? { copiedAt: null } : {}),
    ...(isSameData ? {} : { dataClasses }),
    ...(foundHow === undefined || foundHow === known.foundHow ? {} : { foundHow }),
    ...(keysReachable === undefined || keysReachable === known.keysReachable ? {} : { keysReachable }),
  };
}
