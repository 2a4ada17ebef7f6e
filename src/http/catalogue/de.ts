import type { Catalogue } from "./en.ts";

/** German. */
export const de: Catalogue = {
  "frame.skip": "Zum Inhalt springen",
  "frame.title": "{title} · {service}",
  "frame.title.failed": "Fehler: {title} · {service}",
  "frame.promise": "{service} fragt nie per E-Mail nach Ihrem Passwort oder einer Karte.",
  "frame.check-letter": "Einen Brief prüfen",
  "frame.contact": "Fragen: {contact}",

  "field.address": "E-Mail-Adresse",
  "field.password": "Passwort",
  "field.new-password": "Neues Passwort",
  "field.new-password.hint": "Mindestens {count} Zeichen, welche Sie wollen. Ein paar Wörter hintereinander sind gut.",
  "field.reveal": "Zeigen",
  "field.conceal": "Verbergen",
  "field.name": "Ihr Name",
  "field.name.hint": "Steht in Ihrem Konto. Darf leer bleiben.",
  "field.code": "Code aus dem Brief",
  "field.factor": "Code",
  "field.factor.hint": "Sechs Ziffern aus Ihrer Authenticator-App oder einer Ihrer Wiederherstellungscodes.",
  "field.sign-out-devices": "Verbundene Geräte nach der Passwortänderung abmelden",
  "field.sign-out-devices.hint": "Browser, Fernseher und Apps, die jetzt angemeldet sind, müssen sich neu anmelden.",

  "refused.address.missing": "Eine Adresse wird gebraucht.",
  "refused.address.too-long": "Eine Adresse hat höchstens 254 Zeichen.",
  "refused.address.form": "Eine Adresse sieht aus wie name@example.org.",
  "refused.address.domain": "Der Teil nach dem @ ist keine Domain im Internet.",
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

  "sign-in.title": "Anmelden",
  "sign-in.lead": "Sehen Sie dort weiter, wo Sie aufgehört haben.",
  "sign-in.do": "Anmelden",
  "sign-in.refused": "Adresse oder Passwort falsch.",
  "sign-in.refused.renew":
    "Adresse oder Passwort falsch. Passwörter von vor dem {date} müssen erneuert werden: {link}.",
  "sign-in.refused.renew.link": "neues Passwort setzen",
  "sign-in.done.renewed": "Ihr neues Passwort ist gesetzt. Melden Sie sich damit an.",
  "sign-in.passkey": "Mit einem Passkey anmelden",
  "passkey.or": "oder mit Ihrem Passwort",
  "passkey.elsewhere": "Passkeys gehen nur unter {link}.",
  "passkey.failed": "Der Dienst hat nicht geantwortet. Versuchen Sie es gleich noch einmal.",
  "passkey.sign-in.refused":
    "Dieser Passkey kann hier jetzt nicht benutzt werden. Melden Sie sich mit Ihrem Passwort an oder setzen Sie ein neues; Ihr Konto sagt, warum.",
  "passkey.sign-in.cancelled":
    "Es wurde kein Passkey benutzt. Versuchen Sie es noch einmal oder melden Sie sich mit Ihrem Passwort an.",
  "passkey.add.refused":
    "Der Passkey wurde nicht hinzugefügt. Versuchen Sie es noch einmal oder machen Sie ohne weiter.",
  "passkey.add.cancelled": "Es wurde kein Passkey angelegt. Versuchen Sie es noch einmal oder machen Sie ohne weiter.",
  "passkey.offer.title": "Das nächste Mal ohne Passwort?",
  "passkey.offer.lead":
    "Ein Passkey meldet Sie mit Ihrem Finger, Ihrem Gesicht oder dem Code dieses Geräts an. Niemand kann ihn erraten, und niemand kann ihn bei uns stehlen.",
  "passkey.offer.what":
    "Er bleibt bei Ihnen: wir behalten nur, womit er geprüft wird. In Ihrem Konto können Sie weitere hinzufügen oder ihn entfernen.",
  "passkey.offer.do": "Passkey hinzufügen",
  "passkey.offer.later": "Jetzt nicht",
  "sign-in.forgot": "Passwort vergessen? Ein neues setzen",
  "sign-in.sign-up": "Neu hier? Ein Konto anlegen",
  "sign-in.done.signed-out": "Sie sind auf diesem Gerät abgemeldet.",
  "sign-in.done.account-created": "Ihr Konto ist bereit. Melden Sie sich an, um zu sehen, was läuft.",

  "sign-in.done.step-over":
    "Das hat zu lange gedauert, oder es waren zu viele falsche Codes. Melden Sie sich noch einmal an.",
  "sign-in.code.title": "Noch ein Schritt",
  "sign-in.code.lead": "Ihr Passwort ist richtig. Dieses Konto fragt auch nach einem zweiten Faktor.",
  "sign-in.code.do": "Anmelden",
  "sign-in.code.again": "Von vorn beginnen",

  "sign-out.title": "Abmelden",
  "sign-out.lead": "Dieses Gerät wird dunkel. Ihre anderen Geräte bleiben angemeldet.",
  "sign-out.do": "Dieses Gerät abmelden",
  "sign-out.stay": "Angemeldet bleiben",
  "sign-out.others": "Andere Geräte stehen in Ihrem Konto",

  "sign-up.title": "Ein Konto anlegen",
  "sign-up.lead": "Wir schicken Ihnen einen Code, damit sicher ist, dass die Adresse Ihnen gehört.",
  "sign-up.do": "Code schicken",
  "sign-up.sign-in": "Schon ein Konto? Anmelden",

  "confirm.title": "Sehen Sie in Ihre Post",
  "confirm.lead": "Wir haben einen Brief mit einem Code geschickt. Er gilt 24 Stunden und nur in diesem Browser.",
  "confirm.do": "Mein Konto anlegen",
  "confirm.again": "Kein Brief? Sehen Sie bei unerwünschter Post nach oder beginnen Sie von vorn",

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

  "not-me.title": "Sie waren es nicht?",
  "not-me.lead":
    "Ein Brief hat Ihnen eine Änderung an Ihrem Konto gemeldet, die nicht von Ihnen ist. Ein Druck nimmt sie zurück:",
  "not-me.change": "Die Änderung wird zurückgenommen, und alles, was danach geändert wurde.",
  "not-me.devices": "Jedes Gerät wird abgemeldet, auch Ihre.",
  "not-me.password": "Das Passwort gilt nicht mehr. Danach setzen Sie ein neues, mit einem Code, der per E-Mail kommt.",
  "not-me.secret": "Der letzte Teil der Adresse im Brief",
  "not-me.secret.hint": "Alles nach dem Zeichen #.",
  "not-me.do": "Ich war es nicht: zurücknehmen",
  "not-me.was-me": "Ich war es: alles so lassen",
  "not-me.refused":
    "Das wurde schon benutzt, oder der Brief ist älter als 7 Tage. Wenn Sie nicht sicher sind, wer in Ihrem Konto ist, setzen Sie ein neues Passwort.",
  "not-me.done.title": "Zurückgenommen",
  "not-me.done.lead": "Jedes Gerät ist abgemeldet, und das Passwort gilt nicht mehr. Niemand ist jetzt in Ihrem Konto.",
  "not-me.done.rest":
    "Etwas, das entfernt worden war, konnte nicht zurückgeholt werden, weil es anderswo in Gebrauch ist oder seither zu viel geschehen ist. Sehen Sie Ihr Konto an, sobald Sie zurück sind, oder fragen Sie den Betreiber.",
  "not-me.done.mailbox": "Ändern Sie zuerst das Passwort Ihres Postfachs, falls noch jemand es kennen könnte.",
  "not-me.done.renew": "Setzen Sie hier ein neues Passwort, mit einem Code, den wir Ihnen schicken.",
  "not-me.done.look":
    "Sehen Sie Ihr Konto an: die Adressen, die Geräte und was geschehen ist. Andere Briefe über Änderungen, die nicht von Ihnen sind, haben eigene Knöpfe.",
  "not-me.done.do": "Neues Passwort setzen",

  "link.title": "Fernseher oder App verbinden",
  "link.lead": "Tippen Sie den Code, den der Bildschirm zeigt.",
  "link.code": "Code auf dem Bildschirm",
  "link.do": "Weiter",
  "link.refused":
    "Kein Bildschirm wartet mit diesem Code. Codes gelten 10 Minuten: vergleichen Sie ihn mit dem Bildschirm, oder holen Sie dort einen neuen.",
  "link.show.title": "Dieses Gerät verbinden?",
  "link.show.lead": "Es kann dann als Sie abspielen, bis Sie es abmelden.",
  "link.show.code": "Code",
  "link.show.device": "Gerät",
  "link.show.kind": "Art",
  "link.show.kind.tv": "Fernseher",
  "link.show.kind.app": "App",
  "link.show.kind.tool": "Programm oder Skript",
  "link.show.network": "Netz",
  "link.show.network.same": "Dasselbe wie Ihres",
  "link.show.network.other": "Ein anderes: {network}",
  "link.show.asked": "Gefragt",
  "link.show.stays": "Bleibt verbunden",
  "link.show.stays.most": "Höchstens {days}",
  "link.show.warning.title": "Dieses Gerät ist in einem anderen Netz als Sie",
  "link.show.warning":
    "Erlauben Sie es nur, wenn Sie diesen Code auf einem Bildschirm vor sich sehen. Wenn jemand ihn Ihnen geschickt hat, lehnen Sie ab.",
  "link.show.check": "Erlauben Sie es nur, wenn Sie diesen Code auf einem Bildschirm vor sich sehen.",
  "link.approve": "Erlauben",
  "link.deny": "Ablehnen",
  "link.approved.title": "Verbunden",
  "link.approved.lead": "Der Bildschirm geht in ein paar Sekunden von selbst weiter. Sie können dieses Gerät weglegen.",
  "link.denied.title": "Abgelehnt",
  "link.denied.lead": "Das Gerät wurde nicht verbunden. Wenn Sie es nicht erwartet haben, ist weiter nichts nötig.",
  "link.another": "Ein anderes Gerät verbinden",
  "link.library": "Zur Bibliothek",
  "link.devices": "Ihre Geräte ansehen",
  "link.renew.title": "Setzen Sie zuerst ein neues Passwort",
  "link.renew.lead":
    "Sie haben sich vor einem Sicherheitsvorfall angemeldet. Geräte lassen sich wieder verbinden, sobald Ihr Passwort erneuert ist.",
  "link.proof.title": "Bestätigen Sie das auf einem anderen Gerät",
  "link.proof.lead":
    "Dieses Gerät ist selbst durch einen Code verbunden und kann darum kein anderes verbinden. Öffnen Sie diese Seite in einem Browser, in dem Sie sich mit Passwort oder Passkey angemeldet haben, oder melden Sie sich hier ab und neu an.",

  "letter.check.title": "Ist dieser Brief von uns?",
  "letter.check.lead":
    "Jeder Brief über einen Sicherheitsvorfall trägt ein Zeichen. Tippen Sie es so, wie der Brief es zeigt.",
  "letter.check.reference": "Zeichen",
  "letter.check.hint": "Zum Beispiel {example}",
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
  "letter.way-in": "Wie es geschah",
  "letter.way-in.open": "Das wird noch untersucht. Was sich ergibt, steht dann hier.",
  "letter.way-in.closed": "Der Weg hinein ist seit dem {date} geschlossen.",
  "letter.text": "Der Brief, wie er verschickt wurde",
  "letter.none-yet": "Noch ist kein Brief verschickt. Er wird dieses Zeichen tragen, und sein Text wird hier stehen.",

  "problem.again": "Noch einmal versuchen",
  "problem.home": "Zur Bibliothek",
  "problem.reference": "Wenn es so bleibt, nennen Sie dem Betreiber dieses Zeichen: {reference}",
  "problem.busy.title": "Einen Moment bitte",
  "problem.busy.what":
    "Der Dienst ist sehr beschäftigt oder startet neu. Nichts ging verloren. Warten Sie ein paar Sekunden und versuchen Sie es noch einmal; was Sie getippt haben, ist noch da, wenn Sie zurückgehen.",
  "problem.crowded.title": "Viele sind auf einmal hier",
  "problem.crowded.what":
    "An dem, was Sie getippt haben, ist nichts falsch, und nichts wurde versucht. Warten Sie ein paar Sekunden und versuchen Sie es noch einmal; es ist noch da, wenn Sie zurückgehen.",
  "problem.too-many.title": "Zu viele Versuche",
  "problem.too-many.what":
    "Zur Sicherheit aller werden Versuche gezählt, Ihre und die der anderen in Ihrem Netz zusammen. Nichts ging verloren. Warten Sie {minutes} und versuchen Sie es dann noch einmal.",
  "problem.too-many.sign-in": "Ohne Warten: mit einem Passkey anmelden oder {link}.",
  "problem.not-found.title": "Hier ist nichts",
  "problem.not-found.what": "Vielleicht ist die Adresse vertippt, oder was hier war, wurde entfernt.",
  "problem.malformed-request.title": "Dieses Formular war nicht zu lesen",
  "problem.malformed-request.what":
    "Nichts wurde geändert. Öffnen Sie die Seite noch einmal und füllen Sie sie neu aus.",
  "problem.card-number.title": "Das sieht nach einer Kartennummer aus",
  "problem.card-number.what":
    "Wir nehmen nie Zahlungsdaten, darum wurde nichts gespeichert. Gehen Sie zurück, nehmen Sie die Nummer heraus und senden Sie es noch einmal.",
  "problem.text-refused.title": "Dieser Text lässt sich nicht zeigen",
  "problem.text-refused.what":
    "Er enthält Steuerzeichen, die niemand sieht. Nichts wurde geändert. Gehen Sie zurück, tippen Sie ihn von Hand und senden Sie ihn noch einmal.",
  "problem.too-large.title": "Das war zu viel",
  "problem.too-large.what":
    "Was gesendet wurde, ist länger, als diese Seite annimmt. Nichts wurde geändert. Gehen Sie zurück, kürzen Sie es und senden Sie es noch einmal.",
  "problem.foreign-origin.title": "Das kam von einer anderen Seite",
  "problem.foreign-origin.what":
    "Zu Ihrer Sicherheit wurde es nicht angenommen, und nichts wurde geändert. Wenn Sie auf unserer eigenen Seite sind, öffnen Sie sie neu und wiederholen Sie es.",
  "problem.operators-only.title": "Diese Seite ist für Betreiber",
  "problem.operators-only.what":
    "Sie sind angemeldet, aber Ihr Konto darf den Dienst nicht betreiben. Wurden Sie kurz vor einer Eindämmung Betreiber, muss ein anderer Sie erst behalten.",
  "problem.other.title": "Das ging nicht",
  "problem.other.what": "Nichts wurde geändert. Öffnen Sie die Seite noch einmal und wiederholen Sie es.",
  "problem.broken.title": "Bei uns ist etwas kaputtgegangen",
  "problem.broken.what": "Es liegt nicht an dem, was Sie gesendet haben. Versuchen Sie es gleich noch einmal.",
  "problem.unbuilt.title": "Die Seiten sind nicht gebaut",
  "problem.unbuilt.what": "Für den Betreiber: rufen Sie {command} auf und starten Sie den Dienst neu.",
};
