import type { Catalogue } from "./en.ts";

/** French. */
export const fr: Catalogue = {
  "frame.skip": "Aller au contenu",
  "frame.title": "{title} · {service}",
  "frame.title.failed": "Erreur : {title} · {service}",
  "frame.promise": "{service} ne demande jamais votre mot de passe ni une carte par e-mail.",
  "frame.check-letter": "Vérifier une lettre",
  "frame.contact": "Questions : {contact}",

  "field.address": "Adresse e-mail",
  "field.password": "Mot de passe",
  "field.new-password": "Nouveau mot de passe",
  "field.new-password.hint": "Au moins {count} caractères, ceux que vous voulez. Quelques mots à la suite vont bien.",
  "field.reveal": "Montrer",
  "field.conceal": "Cacher",
  "field.name": "Votre nom",
  "field.name.hint": "Affiché dans votre compte. Peut rester vide.",
  "field.code": "Code de la lettre",
  "field.factor": "Code",
  "field.factor.hint": "Six chiffres de votre application d’authentification, ou un de vos codes de secours.",
  "field.sign-out-devices": "Déconnecter les appareils après le changement de mot de passe",
  "field.sign-out-devices.hint":
    "Les navigateurs, téléviseurs et applications connectés maintenant devront se reconnecter.",

  "refused.address.missing": "Il faut une adresse.",
  "refused.address.too-long": "Une adresse a au plus 254 caractères.",
  "refused.address.form": "Une adresse ressemble à nom@example.org.",
  "refused.address.domain": "Ce qui suit le @ n’est pas un domaine d’Internet.",
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

  "sign-in.title": "Se connecter",
  "sign-in.lead": "Reprenez là où vous vous êtes arrêté.",
  "sign-in.do": "Se connecter",
  "sign-in.refused": "Adresse ou mot de passe incorrect.",
  "sign-in.refused.renew":
    "Adresse ou mot de passe incorrect. Les mots de passe d’avant le {date} doivent être renouvelés : {link}.",
  "sign-in.refused.renew.link": "choisir un nouveau mot de passe",
  "sign-in.done.renewed": "Votre nouveau mot de passe est enregistré. Connectez-vous avec lui.",
  "sign-in.passkey": "Se connecter avec une clé d’accès",
  "passkey.or": "ou avec votre mot de passe",
  "passkey.elsewhere": "Les clés d’accès ne marchent qu’à {link}.",
  "passkey.failed": "Le service n’a pas répondu. Réessayez dans un instant.",
  "passkey.sign-in.refused":
    "Cette clé d’accès ne peut pas servir ici pour l’instant. Connectez-vous avec votre mot de passe, ou choisissez-en un nouveau ; votre compte dit pourquoi.",
  "passkey.sign-in.cancelled":
    "Aucune clé d’accès n’a été utilisée. Réessayez, ou connectez-vous avec votre mot de passe.",
  "passkey.add.refused": "La clé d’accès n’a pas été ajoutée. Réessayez, ou continuez sans elle.",
  "passkey.add.cancelled": "Aucune clé d’accès n’a été créée. Réessayez, ou continuez sans elle.",
  "passkey.offer.title": "La prochaine fois sans mot de passe ?",
  "passkey.offer.lead":
    "Une clé d’accès vous connecte avec votre doigt, votre visage ou le code de cet appareil. Personne ne peut la deviner, et personne ne peut nous la voler.",
  "passkey.offer.what":
    "Elle reste chez vous : nous ne gardons que ce qui la vérifie. Vous pouvez en ajouter d’autres, ou la retirer, dans votre compte.",
  "passkey.offer.do": "Ajouter une clé d’accès",
  "passkey.offer.later": "Pas maintenant",
  "sign-in.forgot": "Mot de passe oublié ? En choisir un nouveau",
  "sign-in.sign-up": "Nouveau ici ? Créer un compte",
  "sign-in.done.signed-out": "Vous êtes déconnecté sur cet appareil.",
  "sign-in.done.account-created": "Votre compte est prêt. Connectez-vous pour commencer à regarder.",

  "sign-in.done.step-over": "Cela a pris trop de temps, ou il y a eu trop de codes faux. Connectez-vous de nouveau.",
  "sign-in.code.title": "Encore une étape",
  "sign-in.code.lead": "Votre mot de passe est juste. Ce compte demande aussi un second facteur.",
  "sign-in.code.do": "Se connecter",
  "sign-in.code.again": "Recommencer",

  "sign-out.title": "Se déconnecter",
  "sign-out.lead": "Cet appareil s’éteint. Vos autres appareils restent connectés.",
  "sign-out.do": "Déconnecter cet appareil",
  "sign-out.stay": "Rester connecté",
  "sign-out.others": "Vos autres appareils sont dans votre compte",

  "sign-up.title": "Créer un compte",
  "sign-up.lead": "Nous vous envoyons un code pour être sûrs que l’adresse est la vôtre.",
  "sign-up.do": "Envoyez-moi le code",
  "sign-up.sign-in": "Déjà un compte ? Se connecter",

  "confirm.title": "Regardez votre courrier",
  "confirm.lead":
    "Nous avons envoyé une lettre avec un code. Il est bon pendant 24 heures, dans ce navigateur seulement.",
  "confirm.do": "Créer mon compte",
  "confirm.again": "Pas de lettre ? Regardez dans le courrier indésirable, ou recommencez",

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

  "not-me.title": "Ce n’était pas vous ?",
  "not-me.lead":
    "Une lettre vous a signalé un changement de votre compte que vous n’avez pas fait. Une pression l’annule :",
  "not-me.change": "Le changement est annulé, et tout ce qui a été changé ensuite.",
  "not-me.devices": "Chaque appareil est déconnecté, les vôtres aussi.",
  "not-me.password":
    "Le mot de passe est refusé. Vous en choisissez ensuite un nouveau, avec un code envoyé par e-mail.",
  "not-me.secret": "La fin de l’adresse qui est dans la lettre",
  "not-me.secret.hint": "Tout ce qui suit le signe #.",
  "not-me.do": "Ce n’était pas moi : annuler",
  "not-me.was-me": "C’était moi : tout laisser comme c’est",
  "not-me.refused":
    "Cela a déjà servi, ou la lettre a plus de 7 jours. Si vous n’êtes pas sûr de qui est dans votre compte, choisissez un nouveau mot de passe.",
  "not-me.done.title": "Annulé",
  "not-me.done.lead":
    "Chaque appareil est déconnecté, et le mot de passe est refusé. Personne n’est dans votre compte maintenant.",
  "not-me.done.rest":
    "Quelque chose qui avait été retiré n’a pas pu être remis, parce que cela sert ailleurs ou que trop de choses se sont passées depuis. Regardez votre compte une fois revenu, ou demandez à l’exploitant.",
  "not-me.done.mailbox":
    "Changez d’abord le mot de passe de votre boîte aux lettres, si quelqu’un d’autre peut le connaître.",
  "not-me.done.renew": "Choisissez ici un nouveau mot de passe, avec un code que nous vous envoyons.",
  "not-me.done.look":
    "Regardez votre compte : ses adresses, ses appareils et ce qui s’est passé. Les autres lettres sur des changements qui ne sont pas de vous ont leurs propres boutons.",
  "not-me.done.do": "Choisir un nouveau mot de passe",

  "link.title": "Relier un téléviseur ou une application",
  "link.lead": "Tapez le code que l’écran affiche.",
  "link.code": "Code à l’écran",
  "link.do": "Continuer",
  "link.refused":
    "Aucun écran n’attend avec ce code. Les codes durent 10 minutes : comparez-le avec l’écran, ou prenez-en un nouveau là-bas.",
  "link.show.title": "Relier cet appareil ?",
  "link.show.lead": "Il pourra lire en votre nom, jusqu’à ce que vous le déconnectiez.",
  "link.show.code": "Code",
  "link.show.device": "Appareil",
  "link.show.kind": "Type",
  "link.show.kind.tv": "Téléviseur",
  "link.show.kind.app": "Application",
  "link.show.kind.tool": "Programme ou script",
  "link.show.network": "Réseau",
  "link.show.network.same": "Le même que le vôtre",
  "link.show.network.other": "Un autre : {network}",
  "link.show.asked": "Demandé",
  "link.show.stays": "Reste relié",
  "link.show.stays.most": "{days} au plus",
  "link.show.warning.title": "Cet appareil est sur un autre réseau que vous",
  "link.show.warning":
    "N’autorisez que si vous voyez ce code sur un écran devant vous. Si quelqu’un vous l’a envoyé, refusez.",
  "link.show.check": "N’autorisez que si vous voyez ce code sur un écran devant vous.",
  "link.approve": "Autoriser",
  "link.deny": "Refuser",
  "link.approved.title": "Relié",
  "link.approved.lead": "L’écran continue tout seul dans quelques secondes. Vous pouvez poser cet appareil.",
  "link.denied.title": "Refusé",
  "link.denied.lead": "L’appareil n’a pas été relié. Si vous ne l’attendiez pas, il n’y a rien d’autre à faire.",
  "link.another": "Relier un autre appareil",
  "link.library": "Aller à la bibliothèque",
  "link.devices": "Voir vos appareils",
  "link.renew.title": "Choisissez d’abord un nouveau mot de passe",
  "link.renew.lead":
    "Vous vous êtes connecté avant un incident de sécurité. Les appareils pourront de nouveau être reliés une fois votre mot de passe renouvelé.",
  "link.proof.title": "Approuvez-le sur un autre appareil",
  "link.proof.lead":
    "Cet appareil a lui-même été relié par un code et ne peut donc pas en relier un autre. Ouvrez cette page dans un navigateur où vous vous êtes connecté avec votre mot de passe ou une clé d’accès, ou déconnectez-vous ici et reconnectez-vous.",

  "letter.check.title": "Cette lettre est-elle de nous ?",
  "letter.check.lead":
    "Chaque lettre sur un incident de sécurité porte une référence. Tapez-la comme la lettre la montre.",
  "letter.check.reference": "Référence",
  "letter.check.hint": "Par exemple {example}",
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
  "letter.way-in": "Comment ils sont entrés",
  "letter.way-in.open": "L’examen est en cours. Ce qui en ressort sera dit ici.",
  "letter.way-in.closed": "Le chemin utilisé est fermé depuis le {date}.",
  "letter.text": "La lettre telle qu’envoyée",
  "letter.none-yet": "Aucune lettre n’est encore partie. Elle portera cette référence, et son texte sera ici.",

  "problem.again": "Réessayer",
  "problem.home": "Aller à la bibliothèque",
  "problem.reference": "Si cela continue, donnez cette référence à l’exploitant : {reference}",
  "problem.busy.title": "Un instant, s’il vous plaît",
  "problem.busy.what":
    "Le service est très occupé ou redémarre. Rien n’est perdu. Attendez quelques secondes et réessayez ; ce que vous avez tapé est encore là si vous revenez en arrière.",
  "problem.crowded.title": "Beaucoup de monde à la fois",
  "problem.crowded.what":
    "Ce que vous avez tapé n’est pas en cause, et rien n’a été essayé. Attendez quelques secondes et réessayez ; tout est encore là si vous revenez en arrière.",
  "problem.too-many.title": "Trop d’essais",
  "problem.too-many.what":
    "Pour la sécurité de tous, les essais sont comptés, les vôtres et ceux des autres personnes de votre réseau ensemble. Rien n’est perdu. Attendez {minutes}, puis réessayez.",
  "problem.too-many.sign-in": "Sans attendre : se connecter avec une clé d’accès, ou {link}.",
  "problem.not-found.title": "Il n’y a rien ici",
  "problem.not-found.what": "L’adresse est peut-être mal tapée, ou ce qui était ici a été retiré.",
  "problem.malformed-request.title": "Ce formulaire n’a pas pu être lu",
  "problem.malformed-request.what": "Rien n’a été changé. Rouvrez la page et remplissez-la encore une fois.",
  "problem.card-number.title": "Cela ressemble à un numéro de carte",
  "problem.card-number.what":
    "Nous ne prenons jamais de données de paiement, donc rien n’a été enregistré. Revenez en arrière, retirez le numéro et renvoyez.",
  "problem.text-refused.title": "Ce texte ne peut pas être affiché",
  "problem.text-refused.what":
    "Il contient des caractères de contrôle que personne ne voit. Rien n’a été changé. Revenez en arrière, tapez-le à la main et renvoyez-le.",
  "problem.too-large.title": "C’était trop long",
  "problem.too-large.what":
    "Ce qui a été envoyé est plus long que ce que cette page accepte. Rien n’a été changé. Revenez en arrière, raccourcissez-le et renvoyez-le.",
  "problem.foreign-origin.title": "Cela venait d’un autre site",
  "problem.foreign-origin.what":
    "Pour votre sécurité, ce n’a pas été accepté, et rien n’a été changé. Si vous êtes sur notre propre page, rouvrez-la et recommencez.",
  "problem.operators-only.title": "Cette page est pour les exploitants",
  "problem.operators-only.what":
    "Vous êtes connecté, mais votre compte ne peut pas exploiter le service. Si vous êtes devenu exploitant peu avant un confinement, un autre doit d’abord vous garder.",
  "problem.other.title": "Cela n’a pas marché",
  "problem.other.what": "Rien n’a été changé. Rouvrez la page et recommencez.",
  "problem.broken.title": "Quelque chose s’est cassé chez nous",
  "problem.broken.what": "Ce que vous avez envoyé n’est pas en cause. Réessayez dans un instant.",
  "problem.unbuilt.title": "Les pages ne sont pas construites",
  "problem.unbuilt.what": "Pour l’exploitant : lancez {command} et redémarrez le service.",
};
