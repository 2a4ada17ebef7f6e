import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { StolenCopy } from "../../src/wire/stolen-copy.ts";
import { Failed } from "../app/failed.tsx";
import { PageFrame } from "../app/page-frame.tsx";
import { stolenCopyQuery } from "../app/queries.ts";
import { say, sayCount } from "../text/say.ts";
import "./console.css";
import "./copy.css";

type Table = StolenCopy["tables"][number];
type Column = Table["columns"][number];

const isReadable = ({ kind }: Column): boolean => kind === "shown" || kind === "unknown";

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
          <Failed error={copy.error} retry={() => void copy.refetch()} />
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

function Tables({ tables }: { readonly tables: readonly Table[] }) {
  const columns = tables.flatMap((table) => table.columns);
  const unknown = columns.filter(({ kind }) => kind === "unknown").length;
  const readable = columns.filter(isReadable).length;
  if (tables.length === 0) return <p className="soft">{say("copy.empty")}</p>;
  return (
    <>
      {unknown > 0 && (
        <div className="notice is-alarm" role="status">
          <strong>{sayCount("copy.unknown.title", unknown)}</strong>
          <span>{say("copy.unknown.what")}</span>
        </div>
      )}
      <p>
        {say("copy.sum", {
          tables: tables.length,
          closed: columns.length - readable,
          readable,
        })}
      </p>
      <ul className="copy-key">
        {(["sealed", "keyed", "digest"] as const).map((kind) => (
          <li key={kind}>
            <strong>{say(`copy.kind.${kind}`)}</strong> {say(`copy.kind.${kind}.what`)}
          </li>
        ))}
      </ul>
      {tables.map((table) => (
        <TableCard key={table.name} table={table} />
      ))}
    </>
  );
}

function TableCard({ table }: { readonly table: Table }) {
  const { name, holds, rowsAbout, columns } = table;
  const closed = columns.filter((column) => !isReadable(column));
  const readable = columns.filter(isReadable);
  return (
    <section className="card copy-table" aria-labelledby={`copy-${name}`}>
      <div className="card-heading">
        <h2 id={`copy-${name}`} lang={holds === null ? undefined : "en"}>
          {holds ?? say("copy.unknown.table")}
        </h2>
        <p className="soft small">
          <code>{name}</code> · {sayCount("copy.rows", rowsAbout)}
        </p>
      </div>
      <div className="copy-halves">
        <div>
          <h3>{say("copy.closed")}</h3>
          {closed.length === 0 ? (
            <p className="soft">{say("copy.closed.none")}</p>
          ) : (
            <dl>
              {closed.map((column) => (
                <ColumnRow key={column.name} column={column} />
              ))}
            </dl>
          )}
        </div>
        <div>
          <h3>{say("copy.readable")}</h3>
          {readable.length === 0 ? (
            <p className="soft">{say("copy.readable.none")}</p>
          ) : (
            <dl>
              {readable.map((column) => (
                <ColumnRow key={column.name} column={column} />
              ))}
            </dl>
          )}
        </div>
      </div>
    </section>
  );
}

function ColumnRow({ column }: { readonly column: Column }) {
  const { name, kind, says, because } = column;
  return (
    <div className={kind === "unknown" ? "is-unknown" : undefined}>
      <dt>
        <span lang="en">{says}</span>
        {kind !== "shown" && kind !== "unknown" && <span className="copy-kind">{say(`copy.kind.${kind}`)}</span>}
      </dt>
      <dd className="soft small" lang="en">
        <code>{name}</code>
        {because !== null && ` · ${because}`}
      </dd>
    </div>
  );
}
