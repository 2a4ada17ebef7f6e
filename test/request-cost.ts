import type { Answer, TestService } from "./service.ts";

/** What can be seen of a request from outside and from beside: its answer, but for the date, and all that it cost. */
export async function costOf({ web, ground }: TestService, request: () => Promise<Answer>) {
  const before = web.work();
  const keyholderBefore = ground.keyholders.web.stats();
  const answer = await request();
  const after = web.work();
  const keyholderAfter = ground.keyholders.web.stats();
  const { date: _date, ...headers } = answer.headers;
  return {
    status: answer.status,
    text: answer.text,
    headers,
    hashes: after.hashes - before.hashes,
    statements: after.statements - before.statements,
    keyholderCalls: after.keyholderCalls - before.keyholderCalls,
    keyholderAsked: keyholderAfter.askedBytes - keyholderBefore.askedBytes,
    keyholderAnswered: keyholderAfter.answeredBytes - keyholderBefore.answeredBytes,
  };
}
