import type { ChangeLetterKind } from "../../jobs/jobs.ts";
import type { DataClass } from "../../wire/incidents.ts";
import { asksNothing, changeLetter, code, heading, list, paragraph, protection, steps } from "./catalogue.ts";
import type { Catalogue, ChangeText, ChangeWords, NoticeText } from "./catalogue.ts";

const dataClasses: Readonly<Record<DataClass, string>> = {
  addresses: "Ihre E-Mail-Adresse",
  names: "Ihr Name",
  "password records": "die Prüfdaten Ihres Passworts (unkenntlich gemacht; das Passwort selbst wird nie gespeichert)",
  sessions: "welche Geräte angemeldet waren",
  "second factors": "die Prüfdaten Ihres zweiten Faktors",
  "viewing history": "was Sie angesehen haben",
};

const keys: Readonly<Record<NoticeText["keysReachable"], string>> = {
  no: "All das ist verschlüsselt gespeichert. Die Schlüssel liegen an einem anderen Ort und wurden nicht entwendet. Wir sagen es Ihnen trotzdem, denn Sie haben ein Recht darauf.",
  unknown:
    "All das ist verschlüsselt gespeichert. Wir können nicht ausschließen, dass auch die Schlüssel erreichbar waren. Handeln Sie bitte so, als könnten die Daten gelesen werden.",
  yes: "All das ist verschlüsselt gespeichert, aber auch die Schlüssel waren erreichbar. Handeln Sie bitte so, als könnten die Daten gelesen werden.",
};

const inClear =
  "Nur was Sie angesehen haben, ist nicht verschlüsselt. Es steht unter einer zufälligen Nummer, ohne Ihren Namen und Ihre Adresse.";

function contained({ containment, containedAt, keptTools }: NoticeText): string[] {
  if (containment === null || containedAt === null) return [];
  switch (containment) {
    case "everyone-out":
      return [
        `Am ${containedAt} haben wir alle Geräte abgemeldet und alle alten Passwörter, Codes und Links wertlos gemacht. Nichts von dem, was kopiert wurde, öffnet noch etwas.`,
        ...(keptTools ? ["Nur selbst eingerichtete Werkzeuge und Skripte funktionieren weiter."] : []),
      ];
    case "with-renewal":
      return [
        `Am ${containedAt} haben wir alle alten Passwörter, Codes und Links wertlos gemacht. Angemeldete Geräte bleiben angemeldet, bis Sie Ihr Passwort erneuern; dann werden sie abgemeldet, wenn Sie nichts anderes wählen.`,
      ];
    case "account":
      return [`Am ${containedAt} haben wir Ihr Konto auf allen Geräten abgemeldet.`];
  }
}

const notYou = ({ service, site, undoAt }: ChangeText): string =>
  undoAt === null
    ? `Falls Sie es nicht waren: Ändern Sie zuerst das Passwort Ihres Postfachs. Öffnen Sie danach die App von ${service} oder geben Sie ${site} in Ihren Browser ein und erneuern Sie Ihr Passwort noch einmal.`
    : `Falls Sie es nicht waren: Kopieren Sie diese Adresse innerhalb von 7 Tagen in Ihren Browser und drücken Sie dort den Knopf. Er macht die Änderung rückgängig und meldet alle Geräte ab: ${undoAt}`;

const changes: Readonly<Record<ChangeLetterKind, ChangeWords>> = {
  renewed: {
    title: "Ihr Passwort wurde erneuert",
    what: ({ at, service }) =>
      `Am ${at} wurde für Ihr Konto bei ${service} ein neues Passwort gesetzt. Das alte ist wertlos.`,
  },
  "password changed": {
    title: "Ihr Passwort wurde geändert",
    what: ({ at, service }) =>
      `Am ${at} wurde das Passwort Ihres Kontos bei ${service} auf einem angemeldeten Gerät geändert.`,
  },
  "address added": {
    title: "Ihrem Konto wurde eine Adresse hinzugefügt",
    what: ({ at, service }) =>
      `Am ${at} wurde Ihrem Konto bei ${service} eine E-Mail-Adresse hinzugefügt. Wer dort Post liest, kann das Passwort erneuern.`,
  },
  "address removed": {
    title: "Aus Ihrem Konto wurde eine Adresse entfernt",
    what: ({ at, service }) =>
      `Am ${at} wurde eine E-Mail-Adresse aus Ihrem Konto bei ${service} entfernt. Diese Nachricht ging auch an diese Adresse.`,
  },
  "first address changed": {
    title: "Eine andere Adresse Ihres Kontos wird zuerst benutzt",
    what: ({ at, service }) =>
      `Am ${at} wurde eine andere E-Mail-Adresse als die gewählt, an die ${service} zuerst schreibt.`,
  },
  "passkey added": {
    title: "Ihrem Konto wurde ein Passkey hinzugefügt",
    what: ({ at, service }) =>
      `Am ${at} wurde Ihrem Konto bei ${service} ein Passkey hinzugefügt. Mit ihm meldet man sich ohne Passwort an.`,
  },
  "passkey removed": {
    title: "Aus Ihrem Konto wurde ein Passkey entfernt",
    what: ({ at, service }) =>
      `Am ${at} wurde ein Passkey aus Ihrem Konto bei ${service} entfernt. Mit ihm kann sich niemand mehr anmelden.`,
  },
  "passkey doubted": {
    title: "Einer Ihrer Passkeys wird abgelehnt",
    what: ({ at, service, site }) =>
      `Am ${at} hat ein Passkey Ihres Kontos bei ${service} mit einem Zähler unterschrieben, der zurückgegangen ist, als gäbe es ihn zweimal. Er wird abgelehnt, bis Sie sagen, dass er Ihnen gehört. Geben Sie ${site} in Ihren Browser ein, melden Sie sich auf andere Weise an und sehen Sie in Ihrem Konto unter „Passkeys“ nach: Behalten Sie ihn, wenn Sie sein Gerät aus einer Sicherung wiederhergestellt haben, sonst entfernen Sie ihn.`,
  },
  "second factor added": {
    title: "Ein zweiter Faktor wurde eingeschaltet",
    what: ({ at, service }) => `Am ${at} wurde für Ihr Konto bei ${service} ein zweiter Faktor eingeschaltet.`,
  },
  "second factor removed": {
    title: "Ein zweiter Faktor wurde ausgeschaltet",
    what: ({ at, service }) => `Am ${at} wurde für Ihr Konto bei ${service} ein zweiter Faktor ausgeschaltet.`,
  },
  "recovery codes made": {
    title: "Neue Wiederherstellungscodes wurden erstellt",
    what: ({ at, service }) =>
      `Am ${at} wurden für Ihr Konto bei ${service} neue Wiederherstellungscodes erstellt. Ältere gelten nicht mehr.`,
  },
  "recovery code used": {
    title: "Ein Wiederherstellungscode wurde benutzt",
    what: ({ at, service }) =>
      `Am ${at} wurde einer der Wiederherstellungscodes Ihres Kontos bei ${service} anstelle des zweiten Faktors benutzt. Er gilt nicht noch einmal.`,
  },
  "recovery started": {
    title: "Die Wiederherstellung Ihres Kontos hat begonnen",
    what: ({ at, service }) =>
      `Am ${at} hat der Betreiber von ${service} die Wiederherstellung Ihres Kontos begonnen. Jemand hat angegeben, Sie zu sein und nicht mehr ins Konto zu kommen. 72 Stunden später kann diese Person mit einem Code an eine andere Adresse ein neues Passwort setzen.`,
  },
  "recovery without second factor": {
    title: "Die Wiederherstellung Ihres Kontos hat begonnen, ohne den zweiten Faktor",
    what: ({ at, service }) =>
      `Am ${at} hat der Betreiber von ${service} die Wiederherstellung Ihres Kontos begonnen. Jemand hat angegeben, Sie zu sein und nicht mehr ins Konto zu kommen, auch nicht mit dem zweiten Faktor. 7 Tage später kann diese Person mit einem Code an eine andere Adresse ein neues Passwort setzen. Der zweite Faktor wird dabei nicht verlangt und ausgeschaltet.`,
  },
  "recovery waits": {
    title: "Wann Sie wieder in Ihr Konto kommen",
    what: ({ at, service, site }) =>
      `Der Betreiber von ${service} hat mit dieser Adresse die Wiederherstellung Ihres Kontos begonnen. Es geht ab ${at} weiter und 7 Tage lang: Geben Sie ${site} in Ihren Browser ein, wählen Sie dort, das Passwort zu erneuern, und geben Sie diese Adresse an. Bis dahin kann die Wiederherstellung von Ihren anderen Adressen aus aufgehalten werden, und Sie müssen nichts tun. Wenn Sie davon nichts wissen, müssen Sie ebenfalls nichts tun.`,
  },
  "recovery ended": {
    title: "Die Wiederherstellung Ihres Kontos wurde beendet",
    what: ({ at, service }) =>
      `Am ${at} hat der Betreiber von ${service} die laufende Wiederherstellung Ihres Kontos beendet. Mit der anderen Adresse kann kein neues Passwort mehr gesetzt werden. Sonst hat sich nichts geändert, und zu tun ist nichts. Wenn Sie noch immer nicht hineinkommen, bitten Sie noch einmal darum.`,
  },
  "deletion asked": {
    title: "Ihr Konto soll gelöscht werden",
    what: ({ at, service }) =>
      `Am ${at} wurde verlangt, Ihr Konto bei ${service} zu löschen. Es wird 7 Tage später gelöscht; bis dahin können Sie es behalten, auf der Seite Ihres Kontos oder wie unten beschrieben.`,
  },
  "change taken back": {
    title: "Eine Änderung an Ihrem Konto wurde rückgängig gemacht",
    what: ({ at, service }) =>
      `Am ${at} hat jemand den Knopf einer unserer Nachrichten gedrückt. Was seither in Ihrem Konto bei ${service} geändert wurde, ist rückgängig gemacht, alle Geräte sind abgemeldet, und das Passwort gilt nicht mehr.`,
  },
  "account deleted": {
    title: "Ihr Konto wurde gelöscht",
    what: ({ at, service }) =>
      `Am ${at} wurde Ihr Konto bei ${service} gelöscht. Was dafür gespeichert war, kann niemand mehr lesen, und diese Adresse ist frei. Dies ist die letzte Nachricht.`,
  },
};

const comeBack = ({ service, site }: ChangeText): string =>
  `Um wieder hineinzukommen, öffnen Sie die App von ${service} oder geben Sie ${site} in Ihren Browser ein und erneuern Sie dort Ihr Passwort.`;

export const de: Catalogue = {
  signUpCode: ({ service, code: typed, validHours }) => ({
    subject: `Ihr Code für ${service}`,
    title: `Willkommen bei ${service}`,
    blocks: [
      paragraph("Geben Sie diesen Code auf der Seite ein, auf der Sie sich registriert haben:"),
      code(typed),
      paragraph(`Er gilt einmal, in dem Browser, in dem Sie ihn angefordert haben, ${validHours} Stunden lang.`),
      paragraph("Falls Sie sich nicht registriert haben, müssen Sie nichts tun: Ohne den Code entsteht kein Konto."),
    ],
  }),
  alreadyRegistered: ({ service, site }) => ({
    subject: `Sie haben schon ein Konto bei ${service}`,
    title: "Sie haben schon ein Konto",
    blocks: [
      paragraph(
        `Jemand, wahrscheinlich Sie, wollte sich mit dieser Adresse bei ${service} registrieren. Sie hat schon ein Konto.`,
      ),
      paragraph(
        `Öffnen Sie die App von ${service} oder geben Sie ${site} in Ihren Browser ein und melden Sie sich an. Wenn Sie Ihr Passwort nicht mehr wissen, erneuern Sie es dort.`,
      ),
      paragraph("Falls Sie es nicht waren, müssen Sie nichts tun."),
    ],
  }),
  addressDoubted: ({ service }) => ({
    subject: `Nehmen Sie eine andere Ihrer Adressen bei ${service}`,
    title: "Mit dieser Adresse lässt sich das Passwort noch nicht erneuern",
    blocks: [
      paragraph(
        `Jemand, wahrscheinlich Sie, hat einen Code zum Erneuern des Passworts Ihres Kontos bei ${service} verlangt. Diese Adresse kam zum Konto, nachdem unsere Datenbank kopiert worden war, oder nicht lange bevor wir es bemerkten. Damit niemand mit einer eigenen Adresse hineinkommt, erneuert sie das Passwort erst, wenn Sie gesagt haben, dass sie Ihnen gehört.`,
      ),
      paragraph(
        "Verlangen Sie den Code mit einer Adresse, die das Konto vorher schon hatte, zum Beispiel der von der Registrierung. Melden Sie sich dann an: Ihr Konto fragt nach dieser Adresse.",
      ),
      paragraph("Falls Sie es nicht waren, müssen Sie nichts tun."),
    ],
  }),
  renewalCode: ({ service, code: typed, validHours }) => ({
    subject: `Ihr Code zum Erneuern des Passworts bei ${service}`,
    title: "Passwort erneuern",
    blocks: [
      paragraph(
        "Geben Sie diesen Code auf der Seite ein, auf der Sie ihn angefordert haben, und wählen Sie ein neues Passwort:",
      ),
      code(typed),
      paragraph(`Er gilt einmal, in dem Browser, in dem Sie ihn angefordert haben, ${validHours} Stunden lang.`),
      paragraph(
        "Falls Sie ihn nicht angefordert haben, müssen Sie nichts tun. Geben Sie den Code an niemanden weiter.",
      ),
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
          : ["Wenn Sie es waren, ist alles in Ordnung.", notYou(facts)],
    ),
  notice: (facts) => ({
    subject: `Mitteilung über einen Datendiebstahl: Ihr Konto bei ${facts.service} (${facts.reference})`,
    title: "Mitteilung über einen Datendiebstahl",
    blocks: [
      heading("Was geschehen ist"),
      paragraph(
        facts.copiedAt === null
          ? `Jemand hat unbefugt die Datenbank kopiert, in der ${facts.service} seine Konten führt. Wir haben es am ${facts.foundAt} bemerkt. Den Tag der Kopie kennen wir nicht.`
          : `Am ${facts.copiedAt} hat jemand unbefugt die Datenbank kopiert, in der ${facts.service} seine Konten führt. Wir haben es am ${facts.foundAt} bemerkt.`,
      ),
      paragraph("Ihr Konto ist in dieser Kopie enthalten. Das tut uns leid."),
      heading("Welche Daten betroffen sind"),
      list(...facts.dataClasses.map((each) => dataClasses[each])),
      ...protection(facts, keys, inClear),
      paragraph(`Karten- und Bankdaten wurden nicht entwendet: ${facts.service} hat keine.`),
      heading("Was wir tun"),
      ...contained(facts).map(paragraph),
      paragraph(
        facts.wayInClosedAt === null
          ? `Wie es dazu kam, wird untersucht. Was wir herausfinden, steht unter ${facts.site}/notice/${facts.reference}.`
          : `Der Weg, auf dem es geschah, ist seit dem ${facts.wayInClosedAt} geschlossen.`,
      ),
      heading("Was Sie tun können"),
      steps(
        `Öffnen Sie die App von ${facts.service} oder geben Sie ${facts.site} selbst in Ihren Browser ein. Diese Nachricht enthält mit Absicht keinen Link.`,
        "Erneuern Sie Ihr Passwort: Sie bekommen einen Code per E-Mail und wählen ein neues.",
        "Falls Sie das alte Passwort noch anderswo verwenden, ändern Sie es auch dort.",
      ),
      paragraph(
        "Wo ein anderer Dienst einen zweiten Faktor anbietet, schalten Sie ihn ein: Dann öffnet ein gestohlenes Passwort allein nichts.",
      ),
      heading("Weitere Auskünfte"),
      paragraph(
        `Diese Nachricht hat die Nummer ${facts.reference}. Geben Sie ${facts.site}/notice/${facts.reference} in Ihren Browser ein, um zu sehen, dass sie echt ist: Dort steht derselbe Text.`,
      ),
      ...(facts.contact === null ? [] : [paragraph(`Wenn Sie eine Frage haben, schreiben Sie an ${facts.contact}.`)]),
    ],
  }),
  testSend: {
    subject: "Probe",
    note: "Dies ist eine Probe der folgenden Nachricht. Sie ging nur an Sie.",
  },
  neverAsks: ({ service }) =>
    `Niemand von ${service} wird Sie jemals nach Ihrem Passwort oder einer Kartennummer fragen, weder per E-Mail noch am Telefon.`,
};
