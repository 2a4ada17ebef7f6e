import { parse } from "libpg-query";

/** Where tables lie: by table, the column it is distributed by and the group it lies together with; and what stays on the coordinator. */
export interface Layout {
  readonly distributed: ReadonlyMap<string, { readonly column: string; readonly group: string }>;
  readonly local: ReadonlySet<string>;
  /** By table, its columns. */
  readonly columns: ReadonlyMap<string, readonly string[]>;
}

/**
 * How far a statement reaches: nothing that is distributed; one shard; the shards of the values of an array; or wider,
 * with what makes it so.
 */
export type Reach =
  | { readonly kind: "none" | "one shard" }
  | { readonly kind: "shards of values" | "wide"; readonly because: readonly string[] };

type Tree = Readonly<Record<string, unknown>>;

const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);
const child = (tree: Tree, name: string): Tree => (isTree(tree[name]) ? tree[name] : {});
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const items = (value: unknown): Tree[] => (Array.isArray(value) ? value.filter(isTree) : []);

interface Source {
  readonly table: string;
  readonly alias: string;
}
/** One `from` with what is known of it: whose it is, and what equals what. */
interface Level {
  readonly id: number;
  readonly sources: readonly Source[];
  readonly outer: Level | undefined;
  readonly equal: [string, string][];
}
interface Use {
  readonly table: string;
  readonly values: ReadonlySet<string>;
}

/** A value that no row gives: a parameter or a constant, or each element of a parameter that is an array. */
const isValue = (term: string): boolean => term.startsWith("$") || term.startsWith("any $");

/**
 * Reads one statement as PostgreSQL's own parser does. A distributed table is restricted by `=` or `= any` between its column and
 * something that no row gives, or by `=` with a column that is. Tables that lie together must be restricted by the same
 * value; tables that do not, and the coordinator's, may not stand in one statement.
 */
export async function reachOf(sql: string, layout: Layout): Promise<Reach> {
  const uses: Use[] = [];
  const locals = new Set<string>();
  const because: string[] = [];
  const tree = (await parse(sql)) as { stmts?: { stmt?: unknown }[] };
  let levels = 0;

  const nameOf = (level: Level, alias: string, column: string): string => `${level.id}:${alias}.${column}`;

  function columnOf(fields: Tree[], level: Level): string | undefined {
    const names = fields.map((field) => text(child(field, "String")["sval"]));
    const [first = "", second] = names;
    for (let at: Level | undefined = level; at !== undefined; at = at.outer) {
      const source = at.sources.find(({ table, alias }) =>
        second === undefined ? layout.columns.get(table)?.includes(first) === true : alias === first,
      );
      if (source !== undefined) return nameOf(at, source.alias, second ?? first);
    }
    return undefined;
  }

  function termOf(node: unknown, level: Level): string | undefined {
    if (!isTree(node)) return undefined;
    if (isTree(node["ColumnRef"])) return columnOf(items(node["ColumnRef"]["fields"]), level);
    if (isTree(node["TypeCast"])) return termOf(node["TypeCast"]["arg"], level);
    if (isTree(node["ParamRef"])) return `$${String(node["ParamRef"]["number"])}`;
    if (isTree(node["A_Const"])) return `$${JSON.stringify(node["A_Const"])}`;
    return undefined;
  }

  function readQual(node: unknown, level: Level): void {
    if (!isTree(node)) return;
    const and = child(node, "BoolExpr");
    if (and["boolop"] === "AND_EXPR") return items(and["args"]).forEach((each) => readQual(each, level));
    const expression = child(node, "A_Expr");
    const operator = items(expression["name"])
      .map((name) => child(name, "String")["sval"])
      .join("");
    const isAny = expression["kind"] === "AEXPR_OP_ANY";
    if (operator === "=" && (isAny || expression["kind"] === "AEXPR_OP")) {
      const [left, right] = [termOf(expression["lexpr"], level), termOf(expression["rexpr"], level)];
      if (left !== undefined && right !== undefined) level.equal.push([left, isAny ? `any ${right}` : right]);
    }
    // `(account_id, id) in (select account_id, id …)`, and `x in (select x …)`: as restricted as what it selects.
    const sub = child(node, "SubLink");
    if (sub["subLinkType"] === "ANY_SUBLINK" && isTree(sub["testexpr"])) {
      const tested = isTree(sub["testexpr"]["RowExpr"]) ? items(sub["testexpr"]["RowExpr"]["args"]) : [sub["testexpr"]];
      const select = child(child(sub, "subselect"), "SelectStmt");
      const inner = levelOf(select, level);
      items(select["targetList"]).forEach((target, place) => {
        const own = termOf(tested[place], level);
        const given = termOf(child(target, "ResTarget")["val"], inner);
        if (own === undefined || given === undefined) return;
        for (const value of valuesOf(given, inner)) level.equal.push([own, value]);
      });
    }
  }

  /** Whatever a term must equal, by what its level and those around it say. */
  function valuesOf(term: string, level: Level): Set<string> {
    const known = new Set([term]);
    for (let grew = true; grew;) {
      grew = false;
      for (let at: Level | undefined = level; at !== undefined; at = at.outer) {
        for (const [one, other] of at.equal) {
          // Two columns that equal elements of one array need not equal each other.
          if (
            known.has(one) === known.has(other) ||
            (isValue(one) && known.has(one)) ||
            (isValue(other) && known.has(other))
          )
            continue;
          known.add(one).add(other);
          grew = true;
        }
      }
    }
    return new Set([...known].filter(isValue));
  }

  function sourcesOf(
    node: unknown,
    into: Source[],
    quals: unknown[],
    equal: (alias: string, select: Tree) => void,
  ): void {
    if (!isTree(node)) return;
    const range = node["RangeVar"];
    if (isTree(range)) {
      const table =
        range["schemaname"] === undefined
          ? text(range["relname"])
          : `${text(range["schemaname"])}.${text(range["relname"])}`;
      into.push({ table, alias: text(child(range, "alias")["aliasname"] ?? range["relname"]) });
    }
    if (isTree(node["JoinExpr"])) {
      sourcesOf(node["JoinExpr"]["larg"], into, quals, equal);
      sourcesOf(node["JoinExpr"]["rarg"], into, quals, equal);
      quals.push(node["JoinExpr"]["quals"]);
    }
    const sub = node["RangeSubselect"];
    if (isTree(sub)) {
      const alias = text(child(sub, "alias")["aliasname"]);
      into.push({ table: "", alias });
      equal(alias, child(child(sub, "subquery"), "SelectStmt"));
    }
  }

  function levelOf(statement: Tree, outer: Level | undefined): Level {
    const sources: Source[] = [];
    const quals: unknown[] = [statement["whereClause"]];
    const level: Level = { id: levels++, sources, outer, equal: [] };
    // `(select $1::uuid as id) asked`: a row of values.
    const readRow = (alias: string, select: Tree): void => {
      if (select["fromClause"] !== undefined) return;
      for (const target of items(select["targetList"])) {
        const value = termOf(child(target, "ResTarget")["val"], level);
        const column = child(target, "ResTarget")["name"];
        if (value !== undefined && typeof column === "string") level.equal.push([nameOf(level, alias, column), value]);
      }
    };
    if (isTree(statement["relation"])) sourcesOf({ RangeVar: statement["relation"] }, sources, quals, readRow);
    for (const each of [...items(statement["fromClause"]), ...items(statement["usingClause"])]) {
      sourcesOf(each, sources, quals, readRow);
    }
    for (const qual of quals) readQual(qual, level);
    return level;
  }

  /** What an insert writes into a column: the same in each row, or nothing that can be said. */
  function written(statement: Tree, column: string, level: Level): ReadonlySet<string> {
    const place = items(statement["cols"]).findIndex((each) => child(each, "ResTarget")["name"] === column);
    if (place === -1) return new Set();
    const select = child(child(statement, "selectStmt"), "SelectStmt");
    const rows = items(select["valuesLists"]);
    if (rows.length > 0) {
      const terms = new Set(rows.map((row) => termOf(items(child(row, "List")["items"])[place], level)));
      return new Set(
        terms.size === 1 ? [...terms].filter((term) => term !== undefined && isValue(term)).map(String) : [],
      );
    }
    const inner = levelOf(select, level);
    const term = termOf(child(items(select["targetList"])[place] ?? {}, "ResTarget")["val"], inner);
    return term === undefined ? new Set() : valuesOf(term, inner);
  }

  function judge(statement: Tree, outer: Level | undefined, isInsert: boolean, hidden: ReadonlySet<string>): void {
    const named = new Set(hidden);
    for (const each of items(child(statement, "withClause")["ctes"])) {
      named.add(text(child(each, "CommonTableExpr")["ctename"]));
    }
    const level = levelOf(statement, outer);
    for (const { table, alias } of level.sources) {
      if (named.has(table)) continue;
      if (layout.local.has(table) || table.includes(".")) locals.add(table);
      const lies = layout.distributed.get(table);
      if (lies === undefined) continue;
      const isTarget = isInsert && table === child(statement, "relation")["relname"];
      const values = isTarget
        ? written(statement, lies.column, level)
        : valuesOf(nameOf(level, alias, lies.column), level);
      if (values.size === 0) because.push(`${table} by anything but ${lies.column}`);
      uses.push({ table, values });
    }
    // Whatever stands inside: common table expressions, subqueries, the select of an insert.
    for (const [name, value] of Object.entries(statement)) {
      if (name !== "relation") descend(value, level, named);
    }
  }

  function descend(node: unknown, outer: Level | undefined, hidden: ReadonlySet<string>): void {
    if (Array.isArray(node)) return node.forEach((each) => descend(each, outer, hidden));
    if (!isTree(node)) return;
    for (const [name, value] of Object.entries(node)) {
      if (isTree(value) && ["SelectStmt", "UpdateStmt", "DeleteStmt", "InsertStmt"].includes(name)) {
        judge(value, outer, name === "InsertStmt", hidden);
      } else descend(value, outer, hidden);
    }
  }

  for (const { stmt } of tree.stmts ?? []) descend(stmt, undefined, new Set());

  if (uses.length === 0) return { kind: "none" };
  const groups = new Set(uses.map(({ table }) => layout.distributed.get(table)?.group));
  const tables = [...new Set(uses.map(({ table }) => table))];
  if (groups.size > 1) because.push(`${tables.join(" and ")} lie apart`);
  if (locals.size > 0) because.push(`${tables.join(", ")} with the coordinator's ${[...locals].join(", ")}`);
  const shared = [...(uses[0]?.values ?? [])].filter((value) => uses.every(({ values }) => values.has(value)));
  if (because.length === 0 && shared.length === 0) because.push(`${tables.join(" and ")} by different values`);
  if (because.length > 0) return { kind: "wide", because };
  return shared.some((value) => !value.startsWith("any "))
    ? { kind: "one shard" }
    : { kind: "shards of values", because: tables };
}
