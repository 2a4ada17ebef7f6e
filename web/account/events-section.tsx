import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { AccountEvents } from "../../src/wire/account-events.ts";
import { Failed } from "../app/failed.tsx";
import { eventsQuery } from "../app/queries.ts";
import { say, showInstant } from "../text/say.ts";
import { showDevice } from "./device-name.ts";

type Event = AccountEvents["events"][number];

/** Shown at once; the rest by a press. */
const firstShown = 8;

/** "What has happened to your account", in the viewer's words. It may fail by itself: the rest of the page stays. */
export function EventsSection() {
  const events = useQuery(eventsQuery);
  const [all, setAll] = useState(false);
  const list = events.data?.events ?? [];
  return (
    <section className="card is-across" aria-labelledby="events">
      <h2 id="events">{say("account.events")}</h2>
      <p className="soft">{say("account.events.lead")}</p>
      {events.isLoadingError ? (
        <Failed error={events.error} retry={() => events.refetch()} />
      ) : events.data === undefined ? (
        <div role="status">
          <span className="visually-hidden">{say("account.events.loading")}</span>
          <span className="skeleton is-card" />
        </div>
      ) : list.length === 0 ? (
        <div className="empty">
          <strong>{say("account.events.none")}</strong>
          <p>{say("account.events.none.what")}</p>
        </div>
      ) : (
        <>
          <ol className="row-list" id="event-list">
            {(all ? list : list.slice(0, firstShown)).map((event) => (
              <li key={event.id}>
                <div className="row-words">
                  <strong>{say(`event.${event.kind}`)}</strong>
                  <EventDetail event={event} />
                </div>
                <time className="soft small" dateTime={event.at}>
                  {showInstant(event.at)}
                </time>
              </li>
            ))}
          </ol>
          {list.length > firstShown && (
            <div className="buttons">
              <button
                className="button-quiet"
                type="button"
                aria-expanded={all}
                aria-controls="event-list"
                onClick={() => setAll(!all)}
              >
                {all ? say("account.events.fewer") : say("account.events.all", { count: list.length })}
              </button>
            </div>
          )}
        </>
      )}
      <p className="soft small">{say("account.events.not-you")}</p>
    </section>
  );
}

function EventDetail({ event }: { readonly event: Event }) {
  const { device, class: kind, network, address, credential, reference, receipt } = event;
  if (reference !== undefined) {
    return (
      <span className="small">
        <a href={`/notice/${reference}`}>{say("event.notice", { reference })}</a>
        {receipt === true && (
          <>
            {" · "}
            <a href={`/api/account/letters/${reference}/proof`} download>
              {say("event.receipt")}
            </a>
          </>
        )}
      </span>
    );
  }
  const parts = [
    device === undefined ? "" : showDevice(device, kind),
    network === undefined || network === "" ? "" : say("account.device.from", { network }),
    address ?? "",
    credential ?? "",
  ].filter((part) => part !== "");
  return parts.length === 0 ? null : <span className="soft small">{parts.join(" · ")}</span>;
}
