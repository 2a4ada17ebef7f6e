import type { DataClass } from "../../wire/incidents.ts";
import type { AlarmCatalogue, CanarySubject, CanaryWords, Way } from "./catalogue.ts";

const acts: Readonly<Record<Way, string>> = {
  "sign-in": "a essayé de se connecter avec une adresse",
  "sign-up": "a essayé de créer un compte avec une adresse",
  renewal: "a demandé un code de renouvellement pour une adresse",
  "second address": "a voulu ajouter à un compte une adresse",
  mail: "a écrit à une adresse",
};

function canary({ place, way, plantedOn, retiredOn }: CanarySubject): CanaryWords {
  const what = `Quelqu’un ${acts[way]} que personne ne connaît et qui ne se devine pas.`;
  const stood =
    retiredOn === null
      ? `Elle est dans la base de données depuis le ${plantedOn}`
      : `Elle a été dans la base de données du ${plantedOn} au ${retiredOn}`;
  return {
    title: `Un appât de ${place} a été utilisé`,
    foundHow: `un appât de ${place} : quelqu’un ${acts[way]} qui est cet appât`,
    database: {
      evidence: `${what} ${stood}, pour le lieu ${place} : une copie de cette période a été lue, et ses adresses ont été ouvertes, ce qui demande aussi les clés.`,
      notEvidence:
        "Cela ne distingue pas une sauvegarde de la base elle-même ni d’un réplica de cette période : un réplica physique est identique à l’original. Cela ne montre pas que quelqu’un est entré dans un vrai compte.",
    },
    relay: {
      evidence: `${what} Outre la base scellée, seul le serveur de messagerie l’a reçue, quand une campagne lui a écrit (lieu ${place}) : ce serveur, ses journaux ou le courrier en chemin ont été lus, ou bien la base avec les clés.`,
      notEvidence:
        "Si les appâts de la base se taisent, la base n’est pas la fuite la plus probable. La publicité d’un serveur de messagerie qui vend des listes aurait le même aspect.",
    },
    decoy: {
      evidence: `${what} Elle figure en clair dans la table leurre de ${place} et nulle part ailleurs : quelqu’un a lu cette table, dans la base, une sauvegarde ou un réplica, et essaie ce qu’elle contenait.`,
      notEvidence:
        "La table leurre se lit sans clés : cela ne montre pas que quelque chose de scellé a été ouvert, ni quand la copie a été faite.",
    },
  };
}

const about: AlarmCatalogue["about"] = {
  "copy detected": {
    title: "Cette base de données est une copie plus ancienne",
    evidence:
      "La base contient moins que ce dont le processus des clés se souvient : une sauvegarde a été remise en place, ou une autre copie a pris sa place. Toute session, tout ticket, tout code et tout lien qu’elle pourrait faire revivre est refusé. Les mots de passe sont refusés aussi si l’on a contenu entre-temps. Sinon, ceux qui ont été changés depuis sont redevenus les anciens, et contenir les refuse.",
    notEvidence:
      "Ce n’est pas le signe que quelqu’un d’autre a une copie. Si vous avez restauré une sauvegarde vous-même, c’est l’aspect d’une restauration.",
    foundHow: "le témoin, qui a trouvé la base en retard sur ce dont il se souvient",
  },
  "timeline contradicted": ({ witness, size, answer }) => ({
    title: "Un témoin a vu une autre chronologie",
    evidence: `Le témoin ${witness} devait cosigner la chronologie à ${size} entrées et a répondu : « ${answer} ». Une chronologie ne fait que grandir ; l’une des deux a donc été tronquée ou réécrite après sa signature : une sauvegarde a pris la place de la base, ou quelqu’un a modifié l’enregistrement et l’a fait signer à nouveau.`,
    notEvidence:
      "Un témoin ne signe pas son refus : s’il ment, s’il a perdu sa mémoire ou s’il tient deux chronologies sous un seul nom, il dit la même chose. Comparez avec un point de contrôle gardé ailleurs, par la commande timeline verify avec --checkpoint.",
    foundHow: "un témoin de la chronologie, qui en a cosigné une autre",
  }),
  canary,
  honeyword: {
    title: "Un mot tiré des données d’un mot de passe a été essayé",
    evidence:
      "Quelqu’un a essayé un mot qui correspond aux données de mot de passe d’un compte et qui n’est pas son mot de passe. On trouve de tels mots en cassant ces données : il y faut une copie de la base et la clé qui les scelle, tirée par exemple d’une sauvegarde des clés.",
    notEvidence:
      "Cela ne dit pas quelle copie a été lue, ni que quelqu’un est entré dans le compte : la réponse était non. Un faux mot de passe correspond par hasard une fois sur 1,2 milliard d’essais. Qui a copié tout le dossier du processus des clés ne déclencherait pas cette alarme.",
    foundHow: "l’essai d’un mot leurre tiré des données d’un mot de passe",
  },
  "key use": {
    title: "Des clés ont été utilisées à l’insu du service",
    evidence:
      "Le processus des clés a répondu à des appels qu’aucun processus de ce service n’avait annoncés. Quelqu’un d’autre l’atteint et possède un justificatif du rôle nommé : tiré de la mémoire d’un processus, d’un fichier de la machine ou d’une sauvegarde de celle-ci. Ce qui a été demandé est nommé par usage.",
    notEvidence:
      "Cela ne montre pas sur quoi portaient les demandes, ni sur qui. Un processus du service qui a été pris annonce ce qu’il demande et ne déclenche rien ici ; pas davantage celui qui a les clés elles-mêmes. Une base qui a perdu ses derniers enregistrements a le même aspect.",
    foundHow: "des usages de clés qu’aucun processus n’avait annoncés",
  },
  stuffing: (seen) => ({
    title: "Des mots de passe venus d’ailleurs sont essayés",
    evidence: `Pendant les dix minutes à partir de ${seen.from}, ${seen.failed} connexions ont échoué, dont ${seen.unknownPercent} sur 100 avec des adresses qui n’ont pas de compte ici, depuis ${seen.networks} réseaux. À cette heure du jour, ${seen.usualFailed} échouent, dont ${seen.usualUnknownPercent} sur 100 avec des adresses inconnues, depuis ${seen.usualNetworks} réseaux. C’est l’aspect d’une liste d’un autre service que l’on essaie.`,
    notEvidence:
      "Ce n’est pas le signe que quelque chose a été copié ici, ni qu’un essai a réussi. Une nouvelle version d’une application qui se connecte mal peut avoir le même aspect.",
    foundHow: "bien plus d’échecs de connexion que d’habitude, avec des adresses inconnues",
  }),
  test: {
    title: "Un essai de l’alarme",
    evidence:
      "Quelqu’un a lancé sur la machine la commande qui essaie l’alarme. Cela montre que cette façon de vous prévenir fonctionne.",
    notEvidence: "Ce n’est le signe de rien d’autre. Il ne s’est rien passé.",
    foundHow: "un essai de l’alarme",
  },
};

const dataNames: Readonly<Record<DataClass, string>> = {
  addresses: "adresses",
  names: "noms",
  "password records": "données de mots de passe",
  sessions: "sessions",
  "second factors": "seconds facteurs",
  "viewing history": "historique de visionnage",
};
const withinReach = { no: "non", unknown: "on ne sait pas", yes: "oui" } as const;

export const fr: AlarmCatalogue = {
  about,
  subject: (service, title) => `Alarme chez ${service} : ${title}`,
  rang: (at, place, times) =>
    `Déclenchée le ${at}${place === null ? "" : `, pour le lieu ${place}`}${times > 1 ? ` ; ${times} fois jusqu’ici` : ""}.`,
  evidence: (what) => `Ce qu’elle indique : ${what}`,
  notEvidence: (what) => `Ce qu’elle n’indique pas : ${what}`,
  noCase: "Elle ne propose aucun dossier.",
  proposes: ({ how, copiedAfter, data, keys }) =>
    `Elle propose un dossier : trouvé par ${how} ; copie : ${copiedAfter === null ? "date inconnue" : `le ${copiedAfter} ou plus tard`} ; données : ${data.map((one) => dataNames[one]).join(", ")} ; clés à portée : ${withinReach[keys]}.`,
  look: (console, containing) =>
    `Voyez ${console} ou, sur la machine : houselights alarm list. La première question est de savoir s’il faut fermer tous les anciens accès ; c’est une seule commande : ${containing}.`,
};
