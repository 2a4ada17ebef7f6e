import { parentPort, workerData } from "node:worker_threads";
import type { Looked, Order, Tables } from "./looking.ts";
import { searchPiece } from "./raw-piece.ts";
import { searchOver } from "./search.ts";

const tables = workerData as Tables;
const [all, plain] = [searchOver(tables.all), searchOver(tables.plain)];

function look(order: Order): Looked {
  if (order.kind === "piece") return searchPiece(plain, order.piece);
  const bytes = Buffer.from(order.bytes.buffer, order.bytes.byteOffset, order.bytes.byteLength);
  return { found: [...(order.isPlain ? all.findPlain(bytes) : all.findIn(bytes))], bytes: bytes.length };
}

parentPort?.on("message", (order: Order) => parentPort?.postMessage(look(order)));
