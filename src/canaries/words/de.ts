import type { DataClass } from "../../wire/incidents.ts";
import type { AlarmCatalogue, CanarySubject, CanaryWords, Way } from "./catalogue.ts";

const acts: Readonly<Record<Way, string>> = {
  "sign-in": "versucht, sich mit einer Adresse anzumelden",
  "sign-up": "versucht, mit einer Adresse ein Konto anzulegen",
  renewal: "einen Code zum Erneuern für eine Adresse verlangt",
  "second address": "eine Adresse als weitere Adresse eintragen wollen",
  mail: "an eine Adresse geschrieben",
};

function canary({ place, way, plantedOn, retiredOn }: CanarySubject): CanaryWords {
  const what = `Jemand hat ${acts[way]}, die niemand kennt und die sich nicht erraten lässt.`;
  const stood =
    retiredOn === null
      ? `Sie steht seit ${plantedOn} in der Datenbank`
      : `Sie stand von ${plantedOn} bis ${retiredOn} in der Datenbank`;
  return {
    title: `Ein Köder von ${place} wurde benutzt`,
    foundHow: `einen Köder von ${place}: jemand hat ${acts[way]}, die der Köder ist`,
    database: {
      evidence: `${what} ${stood}, für den Ort ${place}: eine Kopie aus dieser Zeit wurde gelesen, und ihre Adressen wurden geöffnet, wozu auch die Schlüssel nötig sind.`,
      notEvidence:
        "Eine Sicherung ist davon nicht von der Datenbank selbst oder einem Replikat jener Zeit zu unterscheiden: ein physisches Replikat gleicht seinem Original. Dass jemand in ein wirkliches Konto gelangt ist, zeigt es nicht.",
    },
    relay: {
      evidence: `${what} Außer der versiegelten Datenbank hat nur der Mailserver sie bekommen, als eine Kampagne an sie schrieb (Ort ${place}): er, seine Protokolle oder die Post unterwegs wurden gelesen, oder die Datenbank samt den Schlüsseln.`,
      notEvidence:
        "Wenn die Köder der Datenbank schweigen, ist die Datenbank nicht das wahrscheinlichere Leck. Werbung eines Mailservers, der Listen verkauft, sähe ebenso aus.",
    },
    decoy: {
      evidence: `${what} Sie steht lesbar in der Ködertabelle von ${place} und sonst nirgends: jemand hat diese Tabelle gelesen, aus der Datenbank, einer Sicherung oder einem Replikat, und probiert, was darin stand.`,
      notEvidence:
        "Die Ködertabelle ist ohne Schlüssel lesbar: dass etwas Versiegeltes geöffnet wurde, zeigt es nicht, auch nicht, wann die Kopie entstand.",
    },
  };
}

const about: AlarmCatalogue["about"] = {
  "copy detected": {
    title: "Diese Datenbank ist eine ältere Kopie",
    evidence:
      "Die Datenbank enthält weniger, als sich der Schlüsselprozess von ihr gemerkt hat: eine Sicherung wurde zurückgespielt, oder eine andere Kopie steht an ihrer Stelle. Jede Sitzung, jedes Ticket, jeder Code und jeder Link, den sie wiederbeleben könnte, wird abgelehnt. Passwörter werden ebenfalls abgelehnt, wenn dazwischen eingedämmt wurde. Wenn nicht, gelten seither geänderte wieder wie vorher, und erst Eindämmen lehnt sie ab.",
    notEvidence:
      "Es ist kein Zeichen, dass jemand anders eine Kopie hat. Wenn Sie selbst eine Sicherung zurückgespielt haben, sieht das so aus.",
    foundHow: "den Zeugen, der die Datenbank hinter dem fand, was er sich gemerkt hat",
  },
  "timeline contradicted": ({ witness, size, answer }) => ({
    title: "Ein Zeuge hat eine andere Zeitleiste gesehen",
    evidence: `Der Zeuge ${witness} sollte die Zeitleiste bei ${size} Einträgen gegenzeichnen und antwortete: „${answer}“. Eine Zeitleiste wächst nur, also wurde eine der beiden nach dem Unterschreiben gekürzt oder umgeschrieben: eine Sicherung steht an der Stelle der Datenbank, oder jemand hat die Aufzeichnung geändert und neu unterschreiben lassen.`,
    notEvidence:
      "Ein Zeuge unterschreibt seine Weigerung nicht: einer, der lügt, sein Gedächtnis verloren hat oder zwei Zeitleisten unter einem Namen führt, sagt dasselbe. Vergleichen Sie mit einem anderswo aufbewahrten Prüfpunkt, mit dem Befehl timeline verify und --checkpoint.",
    foundHow: "einen Zeugen der Zeitleiste, der eine andere gegengezeichnet hat",
  }),
  canary,
  honeyword: {
    title: "Ein aus Passwortdaten errechnetes Wort wurde probiert",
    evidence:
      "Jemand hat ein Wort probiert, das zu den Passwortdaten eines Kontos passt und nicht sein Passwort ist. Solche Wörter findet, wer die Passwortdaten knackt: dazu gehören eine Kopie der Datenbank und der Schlüssel, der die Daten versiegelt, etwa aus einer Sicherung der Schlüssel.",
    notEvidence:
      "Es sagt nicht, welche Kopie gelesen wurde, und nicht, dass jemand in das Konto gelangt ist: die Antwort war nein. Ein falsches Passwort passt zufällig einmal in 1,2 Milliarden Versuchen. Wer den ganzen Ordner des Schlüsselprozesses kopiert hat, löste diesen Alarm nicht aus.",
    foundHow: "den Versuch mit einem Köderwort aus Passwortdaten",
  },
  "key use": {
    title: "Schlüssel wurden am Dienst vorbei benutzt",
    evidence:
      "Der Schlüsselprozess hat Aufrufe beantwortet, die kein Prozess dieses Dienstes angekündigt hatte. Jemand anders erreicht ihn und hat einen Ausweis der genannten Rolle: aus dem Speicher eines Prozesses, einer Datei des Rechners oder einer Sicherung davon. Wonach gefragt wurde, ist nach Zweck genannt.",
    notEvidence:
      "Es zeigt nicht, worüber gefragt wurde und für wen. Ein gekaperter Prozess des Dienstes kündigt an, was er fragt, und löst hier nichts aus; ebenso wer die Schlüssel selbst hat. Eine Datenbank, die ihre letzten Commits verloren hat, sieht ebenso aus.",
    foundHow: "den Gebrauch von Schlüsseln, den kein Prozess angekündigt hatte",
  },
  stuffing: (seen) => ({
    title: "Passwörter von anderswo werden probiert",
    evidence: `In den zehn Minuten ab ${seen.from} sind ${seen.failed} Anmeldungen gescheitert, davon ${seen.unknownPercent} von 100 an Adressen, die hier kein Konto haben, aus ${seen.networks} Netzen. Um diese Tageszeit scheitern ${seen.usualFailed}, davon ${seen.usualUnknownPercent} von 100 an unbekannten Adressen, aus ${seen.usualNetworks} Netzen. So sieht es aus, wenn eine Liste eines anderen Dienstes probiert wird.`,
    notEvidence:
      "Es ist kein Zeichen, dass hier etwas kopiert wurde, und keines, dass ein Versuch gelang. Eine neue Fassung einer App, die sich falsch anmeldet, kann ebenso aussehen.",
    foundHow: "weit mehr gescheiterte Anmeldungen als sonst, an unbekannten Adressen",
  }),
  test: {
    title: "Eine Probe des Alarms",
    evidence:
      "Jemand hat auf dem Rechner den Befehl gegeben, der den Alarm probt. Es zeigt, dass diese Art, es Ihnen zu sagen, funktioniert.",
    notEvidence: "Für anderes ist es kein Zeichen. Es ist nichts geschehen.",
    foundHow: "eine Probe des Alarms",
  },
};

const dataNames: Readonly<Record<DataClass, string>> = {
  addresses: "Adressen",
  names: "Namen",
  "password records": "Passwortdaten",
  sessions: "Sitzungen",
  "second factors": "zweite Faktoren",
  "viewing history": "was angesehen wurde",
};
const withinReach = { no: "nein", unknown: "unbekannt", yes: "ja" } as const;

export const de: AlarmCatalogue = {
  about,
  subject: (service, title) => `Alarm bei ${service}: ${title}`,
  rang: (at, place, times) =>
    `Ausgelöst am ${at}${place === null ? "" : `, für den Ort ${place}`}${times > 1 ? `; bisher ${times}-mal` : ""}.`,
  evidence: (what) => `Worauf es hindeutet: ${what}`,
  notEvidence: (what) => `Worauf es nicht hindeutet: ${what}`,
  noCase: "Er schlägt keinen Fall vor.",
  proposes: ({ how, copiedAfter, data, keys }) =>
    `Er schlägt einen Fall vor: gefunden durch ${how}; kopiert: ${copiedAfter === null ? "Zeitpunkt unbekannt" : `${copiedAfter} oder später`}; Daten: ${data.map((one) => dataNames[one]).join(", ")}; Schlüssel in Reichweite: ${withinReach[keys]}.`,
  look: (console, containing) =>
    `Sehen Sie unter ${console} nach oder auf dem Rechner: houselights alarm list. Die erste Frage ist, ob alle alten Zugänge gesperrt werden sollen; das ist ein Befehl: ${containing}.`,
};
