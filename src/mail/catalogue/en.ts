import type { ChangeLetterKind } from "../../jobs/jobs.ts";
import type { DataClass } from "../../wire/incidents.ts";
import { asksNothing, changeLetter, code, heading, list, paragraph, protection, steps } from "./catalogue.ts";
import type { Catalogue, ChangeText, ChangeWords, NoticeText } from "./catalogue.ts";

const dataClasses: Readonly<Record<DataClass, string>> = {
  addresses: "your e-mail address",
  names: "your name",
  "password records": "the record of your password (scrambled: the password itself is never stored)",
  sessions: "which devices were signed in",
  "second factors": "the record of your second factor",
  "viewing history": "what you have watched",
};

const keys: Readonly<Record<NoticeText["keysReachable"], string>> = {
  no: "All of this is stored encrypted. The keys are kept elsewhere and were not taken. We tell you all the same, because you have a right to know.",
  unknown:
    "All of this is stored encrypted. We cannot rule out that the keys were within reach, so please act as if it can be read.",
  yes: "All of this is stored encrypted, but the keys were within reach, so please act as if it can be read.",
};

const inClear =
  "Only what you have watched is not encrypted. It is stored under a random number, without your name or your address.";

function contained({ containment, containedAt, keptTools }: NoticeText): string[] {
  if (containment === null || containedAt === null) return [];
  switch (containment) {
    case "everyone-out":
      return [
        `On ${containedAt} we signed out every device and made every old password, code and link worthless. Nothing that was copied opens anything any more.`,
        ...(keptTools ? ["Only tools and scripts that people had set up themselves keep working."] : []),
      ];
    case "with-renewal":
      return [
        `On ${containedAt} we made every old password, code and link worthless. Devices that are signed in stay so until you renew your password; then they are signed out, unless you choose otherwise.`,
      ];
    case "account":
      return [`On ${containedAt} we signed your account out on every device.`];
  }
}

const notYou = ({ service, site, undoAt }: ChangeText): string =>
  undoAt === null
    ? `If it was not you: change the password of your mailbox first, then open the ${service} app or type ${site} into your browser and renew your password again.`
    : `If it was not you: copy this address into your browser within 7 days and press the button there. It takes the change back and signs everybody out: ${undoAt}`;

const changes: Readonly<Record<ChangeLetterKind, ChangeWords>> = {
  renewed: {
    title: "Your password was renewed",
    what: ({ at, service }) => `On ${at} a new password was set for your ${service} account. The old one is worthless.`,
  },
  "password changed": {
    title: "Your password was changed",
    what: ({ at, service }) =>
      `On ${at} the password of your ${service} account was changed on a device that was signed in.`,
  },
  "address added": {
    title: "An address was added to your account",
    what: ({ at, service }) =>
      `On ${at} an e-mail address was added to your ${service} account. Whoever reads mail there can renew the password.`,
  },
  "address removed": {
    title: "An address was removed from your account",
    what: ({ at, service }) =>
      `On ${at} an e-mail address was removed from your ${service} account. This letter went to that address as well.`,
  },
  "first address changed": {
    title: "Another address of your account is used first",
    what: ({ at, service }) => `On ${at} another e-mail address was chosen as the one that ${service} writes to first.`,
  },
  "passkey added": {
    title: "A passkey was added to your account",
    what: ({ at, service }) =>
      `On ${at} a passkey was added to your ${service} account. It signs in without a password.`,
  },
  "passkey removed": {
    title: "A passkey was removed from your account",
    what: ({ at, service }) => `On ${at} a passkey was removed from your ${service} account. It no longer signs in.`,
  },
  "passkey doubted": {
    title: "One of your passkeys is refused",
    what: ({ at, service, site }) =>
      `On ${at} a passkey of your ${service} account signed with a counter that went back, as if there were two of it. It is refused until you say that it is yours. Type ${site} into your browser, sign in another way and look under “Passkeys” in your account: keep it if you have restored its device from a backup, and remove it otherwise.`,
  },
  "second factor added": {
    title: "A second factor was turned on",
    what: ({ at, service }) => `On ${at} a second factor was turned on for your ${service} account.`,
  },
  "second factor removed": {
    title: "A second factor was turned off",
    what: ({ at, service }) => `On ${at} a second factor was turned off for your ${service} account.`,
  },
  "recovery codes made": {
    title: "New recovery codes were made",
    what: ({ at, service }) =>
      `On ${at} new recovery codes were made for your ${service} account. Older ones no longer work.`,
  },
  "recovery code used": {
    title: "A recovery code was used",
    what: ({ at, service }) =>
      `On ${at} one of the recovery codes of your ${service} account was used in place of the second factor. It does not work again.`,
  },
  "recovery started": {
    title: "The recovery of your account was started",
    what: ({ at, service }) =>
      `On ${at} an operator of ${service} started the recovery of your account, for somebody who says that they are you and have lost every way in. 72 hours later they can set a new password, by a code to another address.`,
  },
  "recovery without second factor": {
    title: "The recovery of your account was started, without its second factor",
    what: ({ at, service }) =>
      `On ${at} an operator of ${service} started the recovery of your account, for somebody who says that they are you and have lost every way in, their second factor too. 7 days later they can set a new password, by a code to another address; the second factor is not asked for and is turned off.`,
  },
  "recovery waits": {
    title: "When you can get back into your account",
    what: ({ at, service, site }) =>
      `An operator of ${service} has started the recovery of your account, with this address. From ${at} on, for 7 days: type ${site} into your browser, choose to renew the password there and enter this address. Until then your other addresses can stop it, and nothing needs to be done. If you know nothing of this, you need not do anything.`,
  },
  "recovery ended": {
    title: "The recovery of your account was ended",
    what: ({ at, service }) =>
      `On ${at} an operator of ${service} ended the recovery of your account that was under way. The other address cannot set a new password any more. Nothing else has changed, and nothing needs to be done. If you still cannot get in, ask for it again.`,
  },
  "deletion asked": {
    title: "Your account is to be deleted",
    what: ({ at, service }) =>
      `On ${at} it was asked that your ${service} account be deleted. It is deleted 7 days later; until then you can keep it, on its page or as said below.`,
  },
  "change taken back": {
    title: "A change to your account was taken back",
    what: ({ at, service }) =>
      `On ${at} somebody pressed the button of one of our letters. What had been changed in your ${service} account since then was taken back, every device was signed out, and the password is refused.`,
  },
  "account deleted": {
    title: "Your account was deleted",
    what: ({ at, service }) =>
      `On ${at} your ${service} account was deleted. What was stored for it cannot be read by anybody any more, and this address is free. This is the last letter.`,
  },
};

const comeBack = ({ service, site }: ChangeText): string =>
  `To come back in, open the ${service} app or type ${site} into your browser, and renew your password there.`;

export const en: Catalogue = {
  signUpCode: ({ service, code: typed, validHours }) => ({
    subject: `Your code for ${service}`,
    title: `Welcome to ${service}`,
    blocks: [
      paragraph("Type this code on the page where you signed up:"),
      code(typed),
      paragraph(`It works once, in the browser where you asked for it, for ${validHours} hours.`),
      paragraph("If you did not sign up, you need not do anything: without the code there is no account."),
    ],
  }),
  alreadyRegistered: ({ service, site }) => ({
    subject: `You already have an account at ${service}`,
    title: "You already have an account",
    blocks: [
      paragraph(
        `Somebody, probably you, wanted to sign up at ${service} with this address. It has an account already.`,
      ),
      paragraph(
        `Open the ${service} app or type ${site} into your browser and sign in. If you do not know your password any more, renew it there.`,
      ),
      paragraph("If it was not you, you need not do anything."),
    ],
  }),
  addressDoubted: ({ service }) => ({
    subject: `Use another address of yours at ${service}`,
    title: "This address does not renew your password yet",
    blocks: [
      paragraph(
        `Somebody, probably you, asked for a code to renew the password of your ${service} account. This address was added to the account after our database was copied, or not long before we found out. So that nobody else can get in by an address of theirs, it does not renew the password until you have said that it is yours.`,
      ),
      paragraph(
        "Ask again with an address that the account had before, for instance the one you signed up with. Then sign in: your account asks about this one.",
      ),
      paragraph("If it was not you, you need not do anything."),
    ],
  }),
  renewalCode: ({ service, code: typed, validHours }) => ({
    subject: `Your code to renew your password at ${service}`,
    title: "Renew your password",
    blocks: [
      paragraph("Type this code on the page where you asked for it, and choose a new password:"),
      code(typed),
      paragraph(`It works once, in the browser where you asked for it, for ${validHours} hours.`),
      paragraph("If you did not ask for it, you need not do anything. Do not pass the code on to anybody."),
    ],
  }),
  changed: (change, facts) =>
    changeLetter(
      changes[change],
      facts,
      change === "change taken back"
        ? [comeBack(facts)]
        : asksNothing.has(change)
          ? []
          : ["If it was you, all is well.", notYou(facts)],
    ),
  notice: (facts) => ({
    subject: `Notice of Data Breach: your ${facts.service} account (${facts.reference})`,
    title: "Notice of Data Breach",
    blocks: [
      heading("What Happened"),
      paragraph(
        facts.copiedAt === null
          ? `Somebody who had no right to do so copied the database in which ${facts.service} keeps its accounts. We found out on ${facts.foundAt}. We do not know the day of the copy.`
          : `On ${facts.copiedAt} somebody who had no right to do so copied the database in which ${facts.service} keeps its accounts. We found out on ${facts.foundAt}.`,
      ),
      paragraph("Your account is in that copy. We are sorry."),
      heading("What Information Was Involved"),
      list(...facts.dataClasses.map((each) => dataClasses[each])),
      ...protection(facts, keys, inClear),
      paragraph(`Card and bank details were not taken: ${facts.service} does not have any.`),
      heading("What We Are Doing"),
      ...contained(facts).map(paragraph),
      paragraph(
        facts.wayInClosedAt === null
          ? `How they got in is being examined. What we find out is told at ${facts.site}/notice/${facts.reference}.`
          : `The way in was closed on ${facts.wayInClosedAt}.`,
      ),
      heading("What You Can Do"),
      steps(
        `Open the ${facts.service} app, or type ${facts.site} into your browser yourself. This letter has no link on purpose.`,
        "Renew your password: you get a code by e-mail and choose a new one.",
        "If you use the old password anywhere else, change it there as well.",
      ),
      paragraph(
        "Wherever another service offers a second factor, turn it on: then a stolen password alone opens nothing.",
      ),
      heading("For More Information"),
      paragraph(
        `The reference of this letter is ${facts.reference}. Type ${facts.site}/notice/${facts.reference} into your browser to see that the letter is genuine: the same text stands there.`,
      ),
      ...(facts.contact === null ? [] : [paragraph(`If you have a question, write to ${facts.contact}.`)]),
    ],
  }),
  testSend: {
    subject: "Test",
    note: "This is a test of the letter below. It went to you alone.",
  },
  neverAsks: ({ service }) =>
    `Nobody from ${service} will ever ask you for your password or a card number, by e-mail or on the telephone.`,
};
