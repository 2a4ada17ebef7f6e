import "../text/console/load.ts";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useDeferredValue, useEffect, useId, useRef, useState } from "react";
import { copyGroups, type StolenCopy } from "../../src/wire/stolen-copy.ts";
import { Failed } from "../app/failed.tsx";
import { PageFrame } from "../app/page-frame.tsx";
import { stolenCopyQuery } from "../app/queries.ts";
import { say, sayCount, showNumber } from "../text/say.ts";
import { findColumns, isReadable, kindsShown, type ShownKind, type Table } from "./find-columns.ts";
import "./console.css";
import "./copy.css";

/** What a stolen copy would show: every table of the database as it is, and of each column what it is and why. */
export function CopyPage() {
  const copy = useQuery(stolenCopyQuery);
  return (
    <PageFrame title={say("copy.title")} className="console">
      <div className="console-page copy-page">
        <div>
          <Link to="/console">{say("copy.back")}</Link>
          <h1>{say("copy.title")}</h1>
          <p className="lead">{say("copy.lead")}</p>
        </div>
        {copy.data !== undefined ? (
          <Tables tables={copy.data.tables} />
        ) : copy.isError ? (
          <Failed error={copy.error} retry={() => copy.refetch()} />
        ) : (
          <div className="console-loading" role="status">
            <span className="visually-hidden">{say("copy.loading")}</span>
            <span className="skeleton is-card" />
            <span className="skeleton is-card" />
          </div>
        )}
      </div>
    </PageFrame>
  );
}

const settleMs = 250;

function Tables({ tables }: { readonly tables: StolenCopy["tables"] }) {
  const navigate = useNavigate();
  const { search = "", kind } = useSearch({ from: "/console/copy" });
  const [typed, setTyped] = useState(search);
  const wanted = useDeferredValue(typed.trim());
  const found = findColumns(tables, wanted, kind);
  const isNarrowed = wanted !== "" || kind !== undefined;
  const list = useRef<HTMLDivElement>(null);

  // The address is what is seen, so that it can be handed on.
  useEffect(() => {
    const timer = setTimeout(() => {
      if (wanted === search) return;
      const kept = kind === undefined ? {} : { kind };
      void navigate({
        to: "/console/copy",
        search: wanted === "" ? kept : { search: wanted, ...kept },
        hash: true,
        replace: true,
        resetScroll: false,
      });
    }, settleMs);
    return () => clearTimeout(timer);
  }, [wanted, search, kind, navigate]);

  // The browser could not go to the table that the fragment names before the tables were there.
  useEffect(() => {
    const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (named instanceof HTMLDetailsElement) {
      named.open = true;
      named.scrollIntoView({ block: "start" });
      named.querySelector("summary")?.focus({ preventScroll: true });
    }
  }, []);

  const openAll = (open: boolean) => {
    for (const one of list.current?.querySelectorAll("details") ?? []) one.open = open;
  };

  if (tables.length === 0) return <p className="soft">{say("copy.empty")}</p>;
  return (
    <>
      <Unknown tables={tables} />
      <Kinds tables={tables} chosen={kind} search={search} />
      <search className="copy-find">
        <input
          className="input"
          type="search"
          aria-label={say("copy.search")}
          placeholder={say("copy.search")}
          value={typed}
          onChange={({ target }) => setTyped(target.value.slice(0, 200))}
        />
        <p role="status" className="soft small">
          {found.length === 0
            ? say("copy.search.none")
            : `${sayCount(
                "copy.columns",
                sum(found, ({ columns }) => columns.length),
              )} · ${sayCount("copy.tables", found.length)}`}
        </p>
        <div className="buttons">
          <button className="button-quiet" type="button" onClick={() => openAll(true)}>
            {say("copy.open.all")}
          </button>
          <button className="button-quiet" type="button" onClick={() => openAll(false)}>
            {say("copy.close.all")}
          </button>
        </div>
      </search>
      <div className="copy-groups" ref={list}>
        {[null, ...copyGroups].map((group) => (
          <Group
            key={group ?? "unknown"}
            group={group}
            tables={found.filter((table) => table.group === group)}
            // Part of the tables' keys: a new search mounts them anew, so that what is found stands open.
            state={isNarrowed ? `found ${wanted} ${kind ?? ""}` : "all"}
          />
        ))}
      </div>
    </>
  );
}

function Unknown({ tables }: { readonly tables: readonly Table[] }) {
  const unknown = sum(tables, ({ columns }) => columns.filter(({ kind }) => kind === "unknown").length);
  if (unknown === 0) return null;
  return (
    <div className="notice is-alarm" role="status">
      <strong>{sayCount("copy.unknown.title", unknown)}</strong>
      <span>{say("copy.unknown.what")}</span>
    </div>
  );
}

const sum = <One,>(all: readonly One[], of: (one: One) => number): number => all.reduce((so, one) => so + of(one), 0);

interface KindsProps {
  readonly tables: readonly Table[];
  readonly chosen: ShownKind | undefined;
  readonly search: string;
}

/** How many columns are what; a press shows those alone, another everything again. */
function Kinds({ tables, chosen, search }: KindsProps) {
  const navigate = useNavigate();
  const id = useId();
  const choose = (kind: ShownKind | undefined) =>
    void navigate({
      to: "/console/copy",
      search: { ...(search === "" ? {} : { search }), ...(kind === undefined ? {} : { kind }) },
      replace: true,
      resetScroll: false,
    });
  return (
    <ul className="copy-kinds" aria-label={say("copy.filter")}>
      {kindsShown.map((kind) => (
        <li key={kind}>
          <button
            type="button"
            aria-pressed={chosen === kind}
            aria-describedby={`${id}-${kind}`}
            onClick={() => choose(chosen === kind ? undefined : kind)}
          >
            <strong>{showNumber(sum(findColumns(tables, "", kind), ({ columns }) => columns.length))}</strong>
            <span>{say(`copy.kind.${kind}`)}</span>
          </button>
          <span className="soft small" id={`${id}-${kind}`}>
            {say(`copy.kind.${kind}.what`)}
          </span>
        </li>
      ))}
    </ul>
  );
}

interface GroupProps {
  readonly group: Table["group"];
  readonly tables: readonly Table[];
  readonly state: string;
}

function Group({ group, tables, state }: GroupProps) {
  if (tables.length === 0) return null;
  const name = group ?? "unknown";
  return (
    <section aria-labelledby={`group-${name}`}>
      <h2 id={`group-${name}`}>{say(`copy.group.${name}`)}</h2>
      {tables.map((table) => (
        <TableCard key={`${table.name} ${state}`} table={table} isOpen={state !== "all" || group === null} />
      ))}
    </section>
  );
}

function TableCard({ table, isOpen }: { readonly table: Table; readonly isOpen: boolean }) {
  const { name, holds, rowsAbout, columns } = table;
  const readable = columns.filter(isReadable);
  const closed = columns.filter((column) => !isReadable(column));
  return (
    <details
      className="copy-table"
      id={`table-${name}`}
      open={isOpen}
      onToggle={({ currentTarget, nativeEvent }) => {
        // Opened by a person: the address leads here from now on.
        if (currentTarget.open && nativeEvent.isTrusted && document.activeElement?.parentElement === currentTarget) {
          history.replaceState(history.state, "", `#${currentTarget.id}`);
        }
      }}
    >
      <summary>
        <span className="copy-name">
          <strong lang={holds === null ? undefined : "en"}>{holds ?? say("copy.unknown.table")}</strong>
          <span className="soft small">
            <code>{name}</code> · {sayCount("copy.rows", rowsAbout)}
          </span>
        </span>
        <span className="copy-counts small">
          {say("copy.counts", { closed: closed.length, readable: readable.length })}
        </span>
      </summary>
      <div className="copy-halves">
        <Half heading={say("copy.closed")} none={say("copy.closed.none")} columns={closed} />
        <Half heading={say("copy.readable")} none={say("copy.readable.none")} columns={readable} />
      </div>
    </details>
  );
}

interface HalfProps {
  readonly heading: string;
  readonly none: string;
  readonly columns: Table["columns"];
}

function Half({ heading, none, columns }: HalfProps) {
  return (
    <div>
      <h3>{heading}</h3>
      {columns.length === 0 ? (
        <p className="soft">{none}</p>
      ) : (
        <dl>
          {columns.map(({ name, kind, says, because }) => (
            <div key={name} className={kind === "unknown" ? "is-unknown" : undefined}>
              <dt>
                <span lang="en">{says}</span>
                {kind !== "shown" && kind !== "unknown" && (
                  <span className="copy-kind">{say(`copy.kind.${kind}`)}</span>
                )}
              </dt>
              <dd className="soft small" lang="en">
                <code>{name}</code>
                {because !== null && ` · ${because}`}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}
