import { useNow } from "../app/clock.ts";
import type { ConsoleNumbers } from "../app/queries.ts";
import { say, sayOf, showAgo } from "../text/say.ts";

/** The processes of the service that are connected now. */
export function NodesCard({ nodes }: { readonly nodes: ConsoleNumbers["nodes"] }) {
  const now = useNow();
  return (
    <section className="card is-wide" aria-labelledby="nodes">
      <h2 id="nodes">{say("nodes.title")}</h2>
      <p className="soft small">{say("nodes.what")}</p>
      <ul className="plain-list nodes">
        {nodes.map((node) => (
          <li key={`${node.host} ${node.process} ${node.role}`}>
            <strong>
              {node.host} · {sayOf("node", node.role)}
            </strong>{" "}
            <span className="soft">
              {say("nodes.connected", { process: String(node.process), ago: showAgo(node.connectedAt, now) })}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
