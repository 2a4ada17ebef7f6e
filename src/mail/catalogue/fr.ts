import type { ChangeLetterKind } from "../../jobs/jobs.ts";
import type { DataClass } from "../../wire/incidents.ts";
import { asksNothing, changeLetter, code, heading, list, paragraph, protection, steps } from "./catalogue.ts";
import type { Catalogue, ChangeText, ChangeWords, NoticeText } from "./catalogue.ts";

const dataClasses: Readonly<Record<DataClass, string>> = {
  addresses: "votre adresse e-mail",
  names: "votre nom",
  "password records": "l’empreinte de votre mot de passe (le mot de passe lui-même n’est jamais conservé)",
  sessions: "la liste des appareils connectés",
  "second factors": "les données de votre second facteur",
  "viewing history": "ce que vous avez regardé",
};

const keys: Readonly<Record<NoticeText["keysReachable"], string>> = {
  no: "Tout cela est conservé chiffré. Les clés se trouvent ailleurs et n’ont pas été prises. Nous vous prévenons tout de même, car vous avez le droit de le savoir.",
  unknown:
    "Tout cela est conservé chiffré. Nous ne pouvons pas exclure que les clés aient été accessibles. Faites donc comme si ces données pouvaient être lues.",
  yes: "Tout cela est conservé chiffré, mais les clés étaient accessibles. Faites donc comme si ces données pouvaient être lues.",
};

const inClear =
  "Seul ce que vous avez regardé n’est pas chiffré. C’est conservé sous un numéro tiré au hasard, sans votre nom ni votre adresse.";

function contained({ containment, containedAt, keptTools }: NoticeText): string[] {
  if (containment === null || containedAt === null) return [];
  switch (containment) {
    case "everyone-out":
      return [
        `Le ${containedAt}, nous avons déconnecté tous les appareils et rendu inutilisables tous les anciens mots de passe, codes et liens. Rien de ce qui a été copié n’ouvre plus quoi que ce soit.`,
        ...(keptTools ? ["Seuls les outils et scripts que chacun a installés continuent de fonctionner."] : []),
      ];
    case "with-renewal":
      return [
        `Le ${containedAt}, nous avons rendu inutilisables tous les anciens mots de passe, codes et liens. Les appareils connectés le restent jusqu’à ce que vous renouveliez votre mot de passe ; ils sont alors déconnectés, sauf si vous en décidez autrement.`,
      ];
    case "account":
      return [`Le ${containedAt}, nous avons déconnecté votre compte de tous les appareils.`];
  }
}

const notYou = ({ service, site, undoAt }: ChangeText): string =>
  undoAt === null
    ? `Si ce n’était pas vous : changez d’abord le mot de passe de votre messagerie, puis ouvrez l’application ${service} ou tapez ${site} dans votre navigateur et renouvelez encore une fois votre mot de passe.`
    : `Si ce n’était pas vous : copiez cette adresse dans votre navigateur dans les 7 jours et appuyez sur le bouton. Il annule le changement et déconnecte tout le monde : ${undoAt}`;

const changes: Readonly<Record<ChangeLetterKind, ChangeWords>> = {
  renewed: {
    title: "Votre mot de passe a été renouvelé",
    what: ({ at, service }) =>
      `Le ${at}, un nouveau mot de passe a été défini pour votre compte ${service}. L’ancien n’est plus valable.`,
  },
  "password changed": {
    title: "Votre mot de passe a été changé",
    what: ({ at, service }) =>
      `Le ${at}, le mot de passe de votre compte ${service} a été changé sur un appareil connecté.`,
  },
  "address added": {
    title: "Une adresse a été ajoutée à votre compte",
    what: ({ at, service }) =>
      `Le ${at}, une adresse e-mail a été ajoutée à votre compte ${service}. Qui y lit le courrier peut renouveler le mot de passe.`,
  },
  "address removed": {
    title: "Une adresse a été retirée de votre compte",
    what: ({ at, service }) =>
      `Le ${at}, une adresse e-mail a été retirée de votre compte ${service}. Ce message a aussi été envoyé à cette adresse.`,
  },
  "first address changed": {
    title: "Une autre adresse de votre compte passe en premier",
    what: ({ at, service }) =>
      `Le ${at}, une autre adresse e-mail a été choisie comme celle à laquelle ${service} écrit en premier.`,
  },
  "passkey added": {
    title: "Une clé d’accès a été ajoutée à votre compte",
    what: ({ at, service }) =>
      `Le ${at}, une clé d’accès a été ajoutée à votre compte ${service}. Elle permet de se connecter sans mot de passe.`,
  },
  "passkey removed": {
    title: "Une clé d’accès a été retirée de votre compte",
    what: ({ at, service }) =>
      `Le ${at}, une clé d’accès a été retirée de votre compte ${service}. Elle ne permet plus de se connecter.`,
  },
  "passkey doubted": {
    title: "Une de vos clés d’accès est refusée",
    what: ({ at, service, site }) =>
      `Le ${at}, une clé d’accès de votre compte ${service} a signé avec un compteur revenu en arrière, comme s’il y en avait deux. Elle est refusée jusqu’à ce que vous disiez qu’elle est à vous. Tapez ${site} dans votre navigateur, connectez-vous autrement et regardez dans votre compte, sous « Clés d’accès » : gardez-la si vous avez restauré son appareil à partir d’une sauvegarde, sinon retirez-la.`,
  },
  "second factor added": {
    title: "Un second facteur a été activé",
    what: ({ at, service }) => `Le ${at}, un second facteur a été activé pour votre compte ${service}.`,
  },
  "second factor removed": {
    title: "Un second facteur a été désactivé",
    what: ({ at, service }) => `Le ${at}, un second facteur a été désactivé pour votre compte ${service}.`,
  },
  "recovery codes made": {
    title: "De nouveaux codes de secours ont été créés",
    what: ({ at, service }) =>
      `Le ${at}, de nouveaux codes de secours ont été créés pour votre compte ${service}. Les anciens ne servent plus.`,
  },
  "recovery code used": {
    title: "Un code de secours a été utilisé",
    what: ({ at, service }) =>
      `Le ${at}, un des codes de secours de votre compte ${service} a été utilisé à la place du second facteur. Il ne fonctionne plus.`,
  },
  "recovery started": {
    title: "La récupération de votre compte a commencé",
    what: ({ at, service }) =>
      `Le ${at}, l’exploitant de ${service} a commencé la récupération de votre compte. Quelqu’un a dit être vous et n’avoir plus aucun accès. 72 heures plus tard, cette personne peut définir un nouveau mot de passe, avec un code envoyé à une autre adresse.`,
  },
  "recovery without second factor": {
    title: "La récupération de votre compte a commencé, sans le second facteur",
    what: ({ at, service }) =>
      `Le ${at}, l’exploitant de ${service} a commencé la récupération de votre compte. Quelqu’un a dit être vous et n’avoir plus aucun accès, pas même le second facteur. 7 jours plus tard, cette personne peut définir un nouveau mot de passe, avec un code envoyé à une autre adresse. Le second facteur ne lui est pas demandé ; il est désactivé.`,
  },
  "recovery waits": {
    title: "Quand vous pourrez revenir dans votre compte",
    what: ({ at, service, site }) =>
      `L’exploitant de ${service} a commencé la récupération de votre compte avec cette adresse. À partir du ${at}, pendant 7 jours : tapez ${site} dans votre navigateur, choisissez d’y renouveler le mot de passe et indiquez cette adresse. D’ici là, la récupération peut être arrêtée depuis vos autres adresses, et vous n’avez rien à faire. Si vous n’êtes au courant de rien, vous n’avez rien à faire non plus.`,
  },
  "recovery ended": {
    title: "La récupération de votre compte a été arrêtée",
    what: ({ at, service }) =>
      `Le ${at}, l’exploitant de ${service} a arrêté la récupération de votre compte qui était en cours. L’autre adresse ne peut plus définir de nouveau mot de passe. Rien d’autre n’a changé, et il n’y a rien à faire. Si vous n’avez toujours pas accès à votre compte, demandez-la de nouveau.`,
  },
  "deletion asked": {
    title: "Votre compte doit être supprimé",
    what: ({ at, service }) =>
      `Le ${at}, la suppression de votre compte ${service} a été demandée. Il est supprimé 7 jours plus tard ; d’ici là, vous pouvez le garder, sur la page de votre compte ou comme indiqué ci-dessous.`,
  },
  "change taken back": {
    title: "Un changement de votre compte a été annulé",
    what: ({ at, service }) =>
      `Le ${at}, quelqu’un a appuyé sur le bouton d’un de nos messages. Ce qui avait été changé depuis dans votre compte ${service} a été annulé, tous les appareils ont été déconnectés, et le mot de passe est refusé.`,
  },
  "account deleted": {
    title: "Votre compte a été supprimé",
    what: ({ at, service }) =>
      `Le ${at}, votre compte ${service} a été supprimé. Plus personne ne peut lire ce qui y était enregistré, et cette adresse est libre. C’est le dernier message.`,
  },
};

const comeBack = ({ service, site }: ChangeText): string =>
  `Pour revenir, ouvrez l’application ${service} ou tapez ${site} dans votre navigateur, et renouvelez-y votre mot de passe.`;

export const fr: Catalogue = {
  signUpCode: ({ service, code: typed, validHours }) => ({
    subject: `Votre code pour ${service}`,
    title: `Bienvenue sur ${service}`,
    blocks: [
      paragraph("Tapez ce code sur la page où vous vous êtes inscrit :"),
      code(typed),
      paragraph(`Il sert une seule fois, dans le navigateur où vous l’avez demandé, pendant ${validHours} heures.`),
      paragraph("Si vous ne vous êtes pas inscrit, vous n’avez rien à faire : sans le code, aucun compte n’est créé."),
    ],
  }),
  alreadyRegistered: ({ service, site }) => ({
    subject: `Vous avez déjà un compte sur ${service}`,
    title: "Vous avez déjà un compte",
    blocks: [
      paragraph(
        `Quelqu’un, sans doute vous, a voulu s’inscrire sur ${service} avec cette adresse. Elle a déjà un compte.`,
      ),
      paragraph(
        `Ouvrez l’application ${service} ou tapez ${site} dans votre navigateur et connectez-vous. Si vous ne connaissez plus votre mot de passe, renouvelez-le sur cette page.`,
      ),
      paragraph("Si ce n’était pas vous, vous n’avez rien à faire."),
    ],
  }),
  addressDoubted: ({ service }) => ({
    subject: `Utilisez une autre de vos adresses sur ${service}`,
    title: "Cette adresse ne permet pas encore de renouveler le mot de passe",
    blocks: [
      paragraph(
        `Quelqu’un, sans doute vous, a demandé un code pour renouveler le mot de passe de votre compte ${service}. Cette adresse a été ajoutée au compte après la copie de notre base de données, ou peu avant que nous l’ayons découverte. Pour que personne n’entre par une adresse à lui, elle ne renouvelle le mot de passe que lorsque vous aurez dit qu’elle est à vous.`,
      ),
      paragraph(
        "Demandez le code avec une adresse que le compte avait déjà, par exemple celle de votre inscription. Connectez-vous ensuite : votre compte vous demandera si celle-ci est à vous.",
      ),
      paragraph("Si ce n’était pas vous, vous n’avez rien à faire."),
    ],
  }),
  renewalCode: ({ service, code: typed, validHours }) => ({
    subject: `Votre code pour renouveler votre mot de passe sur ${service}`,
    title: "Renouvelez votre mot de passe",
    blocks: [
      paragraph("Tapez ce code sur la page où vous l’avez demandé, puis choisissez un nouveau mot de passe :"),
      code(typed),
      paragraph(`Il sert une seule fois, dans le navigateur où vous l’avez demandé, pendant ${validHours} heures.`),
      paragraph("Si vous ne l’avez pas demandé, vous n’avez rien à faire. Ne transmettez ce code à personne."),
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
          : ["Si c’était vous, tout va bien.", notYou(facts)],
    ),
  notice: (facts) => ({
    subject: `Avis de violation de données : votre compte ${facts.service} (${facts.reference})`,
    title: "Avis de violation de données",
    blocks: [
      heading("Ce qui s’est passé"),
      paragraph(
        facts.copiedAt === null
          ? `Quelqu’un qui n’en avait pas le droit a copié la base de données où ${facts.service} garde ses comptes. Nous l’avons découvert le ${facts.foundAt}. Nous ne connaissons pas le jour de la copie.`
          : `Le ${facts.copiedAt}, quelqu’un qui n’en avait pas le droit a copié la base de données où ${facts.service} garde ses comptes. Nous l’avons découvert le ${facts.foundAt}.`,
      ),
      paragraph("Votre compte figure dans cette copie. Nous en sommes désolés."),
      heading("Quelles données sont concernées"),
      list(...facts.dataClasses.map((each) => dataClasses[each])),
      ...protection(facts, keys, inClear),
      paragraph(`Aucune donnée bancaire ni de carte n’a été prise : ${facts.service} n’en possède pas.`),
      heading("Ce que nous faisons"),
      ...contained(facts).map(paragraph),
      paragraph(
        facts.wayInClosedAt === null
          ? `Nous cherchons comment cela a été possible. Ce que nous apprenons est publié sur ${facts.site}/notice/${facts.reference}.`
          : `Le chemin utilisé est fermé depuis le ${facts.wayInClosedAt}.`,
      ),
      heading("Ce que vous pouvez faire"),
      steps(
        `Ouvrez l’application ${facts.service} ou tapez vous-même ${facts.site} dans votre navigateur. Ce message ne contient volontairement aucun lien.`,
        "Renouvelez votre mot de passe : vous recevez un code par e-mail et en choisissez un nouveau.",
        "Si vous utilisez l’ancien mot de passe ailleurs, changez-le là aussi.",
      ),
      paragraph(
        "Là où un autre service propose un second facteur, activez-le : un mot de passe volé n’ouvre alors rien à lui seul.",
      ),
      heading("Pour en savoir plus"),
      paragraph(
        `Ce message porte la référence ${facts.reference}. Tapez ${facts.site}/notice/${facts.reference} dans votre navigateur pour vérifier qu’il est authentique : le même texte s’y trouve.`,
      ),
      ...(facts.contact === null ? [] : [paragraph(`Si vous avez une question, écrivez à ${facts.contact}.`)]),
    ],
  }),
  testSend: {
    subject: "Essai",
    note: "Ceci est un essai du message ci-dessous. Vous êtes la seule personne à l’avoir reçu.",
  },
  neverAsks: ({ service }) =>
    `Personne de ${service} ne vous demandera jamais votre mot de passe ni un numéro de carte, ni par e-mail ni par téléphone.`,
};
