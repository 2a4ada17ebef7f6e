import type { SharedWords } from "./shared-words.ts";

/** French. */
export const fr: SharedWords = {
  "frame.skip": "Aller au contenu",
  "frame.title": "{title} · {service}",
  "frame.title.failed": "Erreur : {title} · {service}",
  "frame.promise": "{service} ne demande jamais votre mot de passe ni une carte par e-mail.",
  "frame.check-letter": "Vérifier une lettre",
  "frame.contact": "Questions : {contact}",

  "field.address": "Adresse e-mail",
  "field.new-password": "Nouveau mot de passe",
  "field.new-password.hint": "Au moins {count} caractères, ceux que vous voulez. Quelques mots à la suite vont bien.",
  "field.reveal": "Montrer",
  "field.conceal": "Cacher",
  "field.code": "Code de la lettre",
  "field.factor": "Code",
  "field.factor.hint": "Six chiffres de votre application d’authentification, ou un de vos codes de secours.",
  "field.sign-out-devices": "Déconnecter les appareils après le changement de mot de passe",
  "field.sign-out-devices.hint":
    "Les navigateurs, téléviseurs et applications connectés maintenant devront se reconnecter.",

  "refused.code":
    "Ce code est faux, déjà utilisé ou trop ancien. Si vous en avez demandé plusieurs, prenez la lettre la plus récente.",
  "refused.factor": "Ce code est faux, ou a déjà servi. Attendez le suivant dans votre application et tapez celui-là.",
  "refused.factor.wait":
    "Trop de codes faux. Les codes de votre application seront acceptés de nouveau dans {minutes} minutes ; un code de secours marche tout de suite.",
  "refused.password-is-old": "C’est le mot de passe qui a été volé. Choisissez-en un autre.",
  "refused.password.too-short": "Prenez au moins {count} caractères. Quelques mots à la suite vont bien.",
  "refused.password.too-long": "Prenez au plus 1 024 caractères.",
  "refused.password.common":
    "Ce mot de passe est sur les listes que les voleurs essaient d’abord. Choisissez autre chose.",
  "refused.password.breached":
    "Ce mot de passe a déjà été volé quelque part, ou notre liste le croit : cela arrive à 1 bon mot de passe sur 512. Choisissez autre chose.",
  "refused.password.about-you": "Il est fait de votre adresse, de votre nom ou du nôtre. Choisissez autre chose.",
  "refused.password.repeats": "Il répète un même morceau. Ajoutez quelque chose qui ne se répète pas.",

  "notice.renew.title": "Les mots de passe d’avant le {date} ne marchent plus",
  "notice.renew.what":
    "Nous les avons arrêtés à cause d’un incident de sécurité. Votre compte est toujours là : choisissez un nouveau mot de passe pour revenir.",
  "notice.renew": "Choisir un nouveau mot de passe",
  "notice.read": "Ce qui s’est passé : {reference}",
  "notice.letter": "La lettre que nous avons envoyée à tous",

  step: "Étape {step} sur {steps}",
  "renew.title": "Choisir un nouveau mot de passe",
  "renew.lead":
    "Nous vous envoyons un code. Avec lui, vous choisissez un nouveau mot de passe ; l’ancien n’est pas demandé.",
  "renew.do": "Envoyez-moi le code",
  "renew.sign-in": "Retour à la connexion",
  "renew.code.title": "Choisissez votre nouveau mot de passe",
  "renew.code.lead":
    "Si cette adresse a un compte, une lettre avec un code est en route. Le code est bon pendant 24 heures, dans ce navigateur seulement.",
  "renew.password.hint":
    "Au moins {alone} caractères, ou {withFactor} si la connexion demande aussi un code. Quelques mots à la suite vont bien.",
  "renew.code.do": "Enregistrer mon nouveau mot de passe",
  "renew.factor.title": "Encore une étape",
  "renew.factor.lead":
    "Votre boîte aux lettres est prouvée. Ce compte a un second facteur : tapez son code, et encore une fois votre nouveau mot de passe.",
  "renew.code.again": "Pas de lettre ? Regardez dans le courrier indésirable, ou demandez-en une autre",
  "line.title": "Vous avez une place dans la file",
  "line.lead":
    "Plus de personnes changent leur mot de passe que nous ne pouvons en servir à la fois. Personne n’est renvoyé, et rien n’est perdu pendant que vous attendez.",
  "line.number": "Votre numéro",
  "line.before": "Avant vous",
  "line.expected": "Votre tour",
  "line.before.nobody": "personne",
  "line.before.one": "1 personne",
  "line.before.people": "{count} personnes",
  "line.expected.now": "dans moins d’une minute",
  "line.expected.minute": "dans une minute environ",
  "line.expected.minutes": "dans {minutes} minutes environ",
  "line.expected.hours": "dans {hours} heures environ",
  "line.expected.unknown": "pas encore connu",
  "line.moves":
    "Cette page avance toute seule. Laissez-la ouverte, ou revenez dans ce navigateur : votre place est gardée.",
  "line.code":
    "Votre code était bon. Il le reste pendant que vous attendez ; vous le taperez encore une fois quand ce sera votre tour.",
  "line.passkey": "Avec une clé d’accès, pas d’attente : {link}.",
  "line.passkey.link": "connectez-vous avec elle",
  "line.playing": "Les appareils en cours de lecture continuent.",
  "line.ask": "Demander de nouveau",
  "renew.done.title": "Votre nouveau mot de passe est enregistré",
  "renew.done.signed-out": "Tous les appareils ont été déconnectés. Connectez-vous avec le nouveau mot de passe.",
  "renew.done.kept": "Les appareils qui étaient connectés le restent. Vous pouvez les déconnecter dans votre compte.",
  "renew.done.tv": "Les téléviseurs reviennent sans rien taper : liez-les avec le code sur leur écran.",
  "renew.done.elsewhere": "Si vous utilisiez l’ancien mot de passe sur d’autres sites, changez-le là aussi.",
  "renew.done.letter": "Une lettre qui le dit est partie à votre adresse. Si ce n’était pas vous, elle dit quoi faire.",
  "renew.done.do": "Se connecter",

  "letter.check.title": "Cette lettre est-elle de nous ?",
  "letter.check.lead":
    "Chaque lettre sur un incident de sécurité porte une référence. Tapez-la comme la lettre la montre.",
  "letter.check.reference": "Référence",
  "letter.check.do": "Vérifier",
  "letter.unknown.title": "Cette référence n’est pas de nous",
  "letter.unknown.what": "Nous n’avons envoyé aucune lettre avec la référence {reference}.",
  "letter.unknown.do":
    "Si une lettre à notre nom porte cette référence, ne la suivez pas : n’ouvrez aucun lien, et ne tapez nulle part un mot de passe ou une carte à cause d’elle.",
  "letter.unknown.mistyped":
    "On se trompe vite en tapant une référence. Comparez chaque caractère et essayez de nouveau.",
  "letter.again": "Vérifier une autre référence",
  "letter.genuine": "Cette référence est vraie",
  "letter.genuine.what": "Si une lettre qui la porte dit autre chose que cette page, croyez cette page.",
  "letter.do.title": "Que faire",
  "letter.do.1": "Tapez vous-même l’adresse de ce site, et choisissez ici un nouveau mot de passe.",
  "letter.do.2": "Connectez-vous avec lui. Les téléviseurs reviennent avec le code sur leur écran.",
  "letter.do.3": "Si vous utilisiez l’ancien mot de passe sur d’autres sites, changez-le là aussi.",
  "letter.do.renew": "Choisir un nouveau mot de passe",
  "letter.title": "Avis {reference}",
  "letter.contained": "Anciens mots de passe arrêtés",
  "letter.sent": "Lettres envoyées à partir du",
  "letter.closed": "Dossier fermé",
  "letter.text": "La lettre telle qu’envoyée",
  "letter.none-yet": "Aucune lettre n’est encore partie. Elle portera cette référence, et son texte sera ici.",
};
