import { expect } from "vitest";
import type { AccountId } from "../src/kernel/brand.ts";
import { asCookie, goodPassword, type TestService } from "./service.ts";

export interface Person {
  readonly address: string;
  readonly accountId: AccountId;
  readonly session: string;
}

/** One person after another, who has an account of their own and is signed in, a second after signing up. */
export function peopleOf(service: TestService, name?: string) {
  let people = 0;
  return {
    person: async (): Promise<Person> => {
      const address = `person-${++people}@example.org`;
      const accountId = (await service.account(address, goodPassword, name)) as AccountId;
      service.clock.advance(1_000);
      return { address, accountId, session: await service.signIn(address, goodPassword) };
    },
    /** How many there are, for addresses of their own. */
    count: () => people,
  };
}

/** Adds an address to the account, by the code that is mailed there. */
export async function addAddress(
  service: TestService,
  { session }: Pick<Person, "session">,
  address: string,
): Promise<void> {
  const cookies = asCookie(session);
  const asked = await service.call("POST", "/api/account/addresses", { body: { address }, cookies });
  expect(asked.status, asked.text).toBe(202);
  const code = (await service.letters()).find(({ to }) => to === address)?.code;
  const added = await service.call("POST", "/api/account/addresses/confirm", { body: { code }, cookies });
  expect(added.status, added.text).toBe(200);
}
