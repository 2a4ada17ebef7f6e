import type { SharedWords } from "./shared-words.ts";

/** German. */
export const de: SharedWords = {
  "frame.skip": "Zum Inhalt springen",
  "frame.title": "{title} · {service}",
  "frame.title.failed": "Fehler: {title} · {service}",
  "frame.promise": "{service} fragt nie per E-Mail nach Ihrem Passwort oder einer Karte.",
  "frame.check-letter": "Einen Brief prüfen",
  "frame.contact": "Fragen: {contact}",

  "field.address": "E-Mail-Adresse",
  "field.new-password": "Neues Passwort",
  "field.new-password.hint": "Mindestens {count} Zeichen, welche Sie wollen. Ein paar Wörter hintereinander sind gut.",
  "field.reveal": "Zeigen",
  "field.conceal": "Verbergen",
  "field.code": "Code aus dem Brief",
  "field.factor": "Code",
  "field.factor.hint": "Sechs Ziffern aus Ihrer Authenticator-App oder einer Ihrer Wiederherstellungscodes.",
  "field.sign-out-devices": "Verbundene Geräte nach der Passwortänderung abmelden",
  "field.sign-out-devices.hint": "Browser, Fernseher und Apps, die jetzt angemeldet sind, müssen sich neu anmelden.",

  "refused.code":
    "Dieser Code ist falsch, benutzt oder zu alt. Wenn Sie mehrmals gefragt haben, nehmen Sie den neuesten Brief.",
  "refused.factor":
    "Dieser Code ist falsch oder wurde schon benutzt. Warten Sie auf den nächsten in Ihrer App und tippen Sie diesen.",
  "refused.factor.wait":
    "Zu viele falsche Codes. Die Codes Ihrer App gelten in {minutes} Minuten wieder; ein Wiederherstellungscode gilt sofort.",
  "refused.password-is-old": "Das ist das Passwort, das gestohlen wurde. Wählen Sie ein anderes.",
  "refused.password.too-short": "Nehmen Sie mindestens {count} Zeichen. Ein paar Wörter hintereinander sind gut.",
  "refused.password.too-long": "Nehmen Sie höchstens 1.024 Zeichen.",
  "refused.password.common": "Dieses Passwort steht auf Listen, die Diebe zuerst versuchen. Wählen Sie etwas anderes.",
  "refused.password.breached":
    "Dieses Passwort wurde schon irgendwo gestohlen, oder unsere Liste hält es dafür: das trifft 1 gutes Passwort von 512. Wählen Sie etwas anderes.",
  "refused.password.about-you":
    "Das besteht aus Ihrer Adresse, Ihrem Namen oder unserem Namen. Wählen Sie etwas anderes.",
  "refused.password.repeats": "Das wiederholt ein kurzes Stück. Fügen Sie etwas an, das sich nicht wiederholt.",

  "notice.renew.title": "Passwörter von vor dem {date} gelten nicht mehr",
  "notice.renew.what":
    "Wir haben sie wegen eines Sicherheitsvorfalls gesperrt. Ihr Konto ist noch da: setzen Sie ein neues Passwort, um wieder hineinzukommen.",
  "notice.renew": "Neues Passwort setzen",
  "notice.read": "Was geschehen ist: {reference}",
  "notice.letter": "Der Brief, den wir allen geschickt haben",

  step: "Schritt {step} von {steps}",
  "renew.title": "Ein neues Passwort setzen",
  "renew.lead": "Wir schicken Ihnen einen Code. Mit ihm wählen Sie ein neues Passwort; das alte wird nicht gebraucht.",
  "renew.do": "Code schicken",
  "renew.sign-in": "Zurück zur Anmeldung",
  "renew.code.title": "Wählen Sie Ihr neues Passwort",
  "renew.code.lead":
    "Wenn diese Adresse ein Konto hat, ist ein Brief mit einem Code unterwegs. Der Code gilt 24 Stunden und nur in diesem Browser.",
  "renew.password.hint":
    "Mindestens {alone} Zeichen, oder {withFactor}, wenn die Anmeldung auch nach einem Code fragt. Ein paar Wörter hintereinander sind gut.",
  "renew.code.do": "Mein neues Passwort setzen",
  "renew.factor.title": "Noch ein Schritt",
  "renew.factor.lead":
    "Ihr Postfach ist bewiesen. Dieses Konto hat einen zweiten Faktor: tippen Sie seinen Code und noch einmal Ihr neues Passwort.",
  "renew.code.again": "Kein Brief? Sehen Sie bei unerwünschter Post nach oder fordern Sie einen neuen an",
  "line.title": "Sie haben einen Platz in der Schlange",
  "line.lead":
    "Mehr Menschen setzen gerade ein neues Passwort, als auf einmal bedient werden können. Niemand wird abgewiesen, und nichts geht verloren, während Sie warten.",
  "line.number": "Ihre Nummer",
  "line.before": "Vor Ihnen",
  "line.expected": "Sie sind dran",
  "line.before.nobody": "niemand",
  "line.before.one": "1 Person",
  "line.before.people": "{count} Personen",
  "line.expected.now": "in weniger als einer Minute",
  "line.expected.minute": "in etwa einer Minute",
  "line.expected.minutes": "in etwa {minutes} Minuten",
  "line.expected.hours": "in etwa {hours} Stunden",
  "line.expected.unknown": "noch nicht bekannt",
  "line.moves":
    "Diese Seite geht von selbst weiter. Lassen Sie sie offen, oder kommen Sie in diesem Browser zurück: Ihr Platz bleibt.",
  "line.code":
    "Ihr Code war richtig. Er gilt weiter, während Sie warten; Sie tippen ihn noch einmal, wenn Sie dran sind.",
  "line.passkey": "Mit einem Passkey warten Sie nicht: {link}.",
  "line.passkey.link": "melden Sie sich damit an",
  "line.playing": "Geräte, die gerade spielen, spielen weiter.",
  "line.ask": "Jetzt noch einmal fragen",
  "renew.done.title": "Ihr neues Passwort ist gesetzt",
  "renew.done.signed-out": "Jedes verbundene Gerät ist abgemeldet. Melden Sie sich mit dem neuen Passwort an.",
  "renew.done.kept": "Geräte, die angemeldet waren, bleiben es. Sie können sie in Ihrem Konto abmelden.",
  "renew.done.tv": "Fernseher kommen ohne Tippen zurück: verbinden Sie sie mit dem Code auf ihrem Bildschirm.",
  "renew.done.elsewhere": "Wenn Sie das alte Passwort auch anderswo benutzt haben, ändern Sie es dort auch.",
  "renew.done.letter":
    "Ein Brief darüber ist an Ihre Adresse gegangen. Wenn Sie es nicht waren, steht darin, was zu tun ist.",
  "renew.done.do": "Anmelden",

  "letter.check.title": "Ist dieser Brief von uns?",
  "letter.check.lead":
    "Jeder Brief über einen Sicherheitsvorfall trägt ein Zeichen. Tippen Sie es so, wie der Brief es zeigt.",
  "letter.check.reference": "Zeichen",
  "letter.check.do": "Prüfen",
  "letter.unknown.title": "Dieses Zeichen ist nicht von uns",
  "letter.unknown.what": "Wir haben keinen Brief mit dem Zeichen {reference} geschickt.",
  "letter.unknown.do":
    "Wenn ein Brief mit unserem Namen dieses Zeichen nennt, folgen Sie ihm nicht: öffnen Sie keinen Link darin, und tippen Sie seinetwegen nirgends ein Passwort oder eine Karte.",
  "letter.unknown.mistyped":
    "Man vertippt sich leicht. Vergleichen Sie jedes Zeichen und versuchen Sie es noch einmal.",
  "letter.again": "Ein anderes Zeichen prüfen",
  "letter.genuine": "Dieses Zeichen ist echt",
  "letter.genuine.what": "Wenn ein Brief damit etwas anderes sagt als diese Seite, glauben Sie dieser Seite.",
  "letter.do.title": "Was zu tun ist",
  "letter.do.1": "Tippen Sie die Adresse dieser Seite selbst ein, und setzen Sie hier ein neues Passwort.",
  "letter.do.2": "Melden Sie sich damit an. Fernseher kommen mit dem Code auf ihrem Bildschirm zurück.",
  "letter.do.3": "Wenn Sie das alte Passwort auch anderswo benutzt haben, ändern Sie es dort auch.",
  "letter.do.renew": "Neues Passwort setzen",
  "letter.title": "Mitteilung {reference}",
  "letter.contained": "Alte Passwörter gelten nicht mehr seit",
  "letter.sent": "Briefe verschickt ab",
  "letter.closed": "Fall geschlossen",
  "letter.text": "Der Brief, wie er verschickt wurde",
  "letter.none-yet": "Noch ist kein Brief verschickt. Er wird dieses Zeichen tragen, und sein Text wird hier stehen.",
};
