import type { ChangeLetterKind } from "../../jobs/jobs.ts";
import type { DataClass } from "../../wire/incidents.ts";
import { asksNothing, changeLetter, code, heading, list, paragraph, protection, steps } from "./catalogue.ts";
import type { Catalogue, ChangeText, ChangeWords, NoticeText } from "./catalogue.ts";

const dataClasses: Readonly<Record<DataClass, string>> = {
  addresses: "su dirección de correo electrónico",
  names: "su nombre",
  "password records": "el registro de su contraseña (cifrado; la contraseña misma nunca se guarda)",
  sessions: "qué dispositivos tenían la sesión iniciada",
  "second factors": "el registro de su segundo factor",
  "viewing history": "lo que usted ha visto",
};

const keys: Readonly<Record<NoticeText["keysReachable"], string>> = {
  no: "Todo esto se guarda cifrado. Las claves están en otro lugar y no fueron robadas. Se lo decimos de todos modos, porque tiene derecho a saberlo.",
  unknown:
    "Todo esto se guarda cifrado. No podemos descartar que las claves estuvieran al alcance, así que actúe como si los datos pudieran leerse.",
  yes: "Todo esto se guarda cifrado, pero las claves estaban al alcance, así que actúe como si los datos pudieran leerse.",
};

const inClear =
  "Solo lo que usted ha visto no está cifrado. Se guarda bajo un número al azar, sin su nombre ni su dirección.";

function contained({ containment, containedAt, keptTools }: NoticeText): string[] {
  if (containment === null || containedAt === null) return [];
  switch (containment) {
    case "everyone-out":
      return [
        `El ${containedAt} cerramos la sesión en todos los dispositivos y dejamos sin valor todas las contraseñas, códigos y enlaces anteriores. Nada de lo copiado abre ya nada.`,
        ...(keptTools ? ["Solo siguen funcionando las herramientas y los programas que cada cual configuró."] : []),
      ];
    case "with-renewal":
      return [
        `El ${containedAt} dejamos sin valor todas las contraseñas, códigos y enlaces anteriores. Los dispositivos con la sesión iniciada la conservan hasta que usted renueve su contraseña; entonces se cierra, salvo que usted decida otra cosa.`,
      ];
    case "account":
      return [`El ${containedAt} cerramos la sesión de su cuenta en todos los dispositivos.`];
  }
}

const notYou = ({ service, site, undoAt }: ChangeText): string =>
  undoAt === null
    ? `Si no fue usted: cambie primero la contraseña de su correo; después abra la aplicación de ${service} o escriba ${site} en su navegador y renueve otra vez su contraseña.`
    : `Si no fue usted: copie esta dirección en su navegador antes de 7 días y pulse el botón. Deshace el cambio y cierra todas las sesiones: ${undoAt}`;

const changes: Readonly<Record<ChangeLetterKind, ChangeWords>> = {
  renewed: {
    title: "Su contraseña se ha renovado",
    what: ({ at, service }) =>
      `El ${at} se fijó una contraseña nueva para su cuenta de ${service}. La anterior ya no vale.`,
  },
  "password changed": {
    title: "Su contraseña se ha cambiado",
    what: ({ at, service }) =>
      `El ${at} se cambió la contraseña de su cuenta de ${service} en un dispositivo con la sesión iniciada.`,
  },
  "address added": {
    title: "Se ha añadido una dirección a su cuenta",
    what: ({ at, service }) =>
      `El ${at} se añadió una dirección de correo a su cuenta de ${service}. Quien lea el correo allí puede renovar la contraseña.`,
  },
  "address removed": {
    title: "Se ha quitado una dirección de su cuenta",
    what: ({ at, service }) =>
      `El ${at} se quitó una dirección de correo de su cuenta de ${service}. Este mensaje se envió también a esa dirección.`,
  },
  "first address changed": {
    title: "Otra dirección de su cuenta se usa primero",
    what: ({ at, service }) =>
      `El ${at} se eligió otra dirección de correo como aquella a la que ${service} escribe primero.`,
  },
  "passkey added": {
    title: "Se ha añadido una llave de acceso a su cuenta",
    what: ({ at, service }) =>
      `El ${at} se añadió una llave de acceso a su cuenta de ${service}. Con ella se inicia sesión sin contraseña.`,
  },
  "passkey removed": {
    title: "Se ha quitado una llave de acceso de su cuenta",
    what: ({ at, service }) =>
      `El ${at} se quitó una llave de acceso de su cuenta de ${service}. Con ella ya no se puede iniciar sesión.`,
  },
  "passkey doubted": {
    title: "Se rechaza una de sus llaves de acceso",
    what: ({ at, service, site }) =>
      `El ${at} una llave de acceso de su cuenta de ${service} firmó con un contador que había retrocedido, como si hubiera dos. Se rechaza hasta que usted diga que es suya. Escriba ${site} en su navegador, inicie sesión de otra manera y mire en su cuenta, en «Llaves de acceso»: consérvela si ha restaurado su dispositivo a partir de una copia, y si no, quítela.`,
  },
  "second factor added": {
    title: "Se ha activado un segundo factor",
    what: ({ at, service }) => `El ${at} se activó un segundo factor para su cuenta de ${service}.`,
  },
  "second factor removed": {
    title: "Se ha desactivado un segundo factor",
    what: ({ at, service }) => `El ${at} se desactivó un segundo factor de su cuenta de ${service}.`,
  },
  "recovery codes made": {
    title: "Se han creado códigos de recuperación nuevos",
    what: ({ at, service }) =>
      `El ${at} se crearon códigos de recuperación nuevos para su cuenta de ${service}. Los anteriores ya no valen.`,
  },
  "recovery code used": {
    title: "Se ha usado un código de recuperación",
    what: ({ at, service }) =>
      `El ${at} se usó uno de los códigos de recuperación de su cuenta de ${service} en lugar del segundo factor. Ya no vuelve a funcionar.`,
  },
  "recovery started": {
    title: "Ha comenzado la recuperación de su cuenta",
    what: ({ at, service }) =>
      `El ${at} el operador de ${service} comenzó la recuperación de su cuenta. Alguien dijo ser usted y haber perdido todo acceso. 72 horas después esa persona puede fijar una contraseña nueva, con un código enviado a otra dirección.`,
  },
  "recovery without second factor": {
    title: "Ha comenzado la recuperación de su cuenta, sin el segundo factor",
    what: ({ at, service }) =>
      `El ${at} el operador de ${service} comenzó la recuperación de su cuenta. Alguien dijo ser usted y haber perdido todo acceso, también el segundo factor. 7 días después esa persona puede fijar una contraseña nueva, con un código enviado a otra dirección. El segundo factor no se le pide, y se desactiva.`,
  },
  "recovery waits": {
    title: "Cuándo podrá volver a entrar en su cuenta",
    what: ({ at, service, site }) =>
      `El operador de ${service} ha comenzado la recuperación de su cuenta con esta dirección. A partir del ${at}, durante 7 días: escriba ${site} en su navegador, elija allí renovar la contraseña e indique esta dirección. Hasta entonces se puede detener desde sus otras direcciones, y usted no tiene que hacer nada. Si no sabe nada de esto, tampoco tiene que hacer nada.`,
  },
  "recovery ended": {
    title: "La recuperación de su cuenta ha terminado",
    what: ({ at, service }) =>
      `El ${at} el operador de ${service} puso fin a la recuperación de su cuenta que estaba en curso. La otra dirección ya no puede fijar una contraseña nueva. Nada más ha cambiado, y no hay nada que hacer. Si sigue sin poder entrar, pídala de nuevo.`,
  },
  "deletion asked": {
    title: "Su cuenta se va a eliminar",
    what: ({ at, service }) =>
      `El ${at} se pidió eliminar su cuenta de ${service}. Se elimina 7 días después; hasta entonces puede conservarla, en la página de su cuenta o como se indica abajo.`,
  },
  "change taken back": {
    title: "Se ha deshecho un cambio de su cuenta",
    what: ({ at, service }) =>
      `El ${at} alguien pulsó el botón de uno de nuestros mensajes. Lo que se había cambiado desde entonces en su cuenta de ${service} se ha deshecho, se ha cerrado la sesión en todos los dispositivos y la contraseña ya no se acepta.`,
  },
  "account deleted": {
    title: "Su cuenta se ha eliminado",
    what: ({ at, service }) =>
      `El ${at} se eliminó su cuenta de ${service}. Nadie puede leer ya lo que estaba guardado en ella, y esta dirección queda libre. Este es el último mensaje.`,
  },
};

const comeBack = ({ service, site }: ChangeText): string =>
  `Para volver a entrar, abra la aplicación de ${service} o escriba ${site} en su navegador y renueve allí su contraseña.`;

export const es: Catalogue = {
  signUpCode: ({ service, code: typed, validHours }) => ({
    subject: `Su código para ${service}`,
    title: `Le damos la bienvenida a ${service}`,
    blocks: [
      paragraph("Escriba este código en la página donde se registró:"),
      code(typed),
      paragraph(`Sirve una sola vez, en el navegador donde lo pidió, durante ${validHours} horas.`),
      paragraph("Si no se registró usted, no tiene que hacer nada: sin el código no se crea ninguna cuenta."),
    ],
  }),
  alreadyRegistered: ({ service, site }) => ({
    subject: `Usted ya tiene una cuenta en ${service}`,
    title: "Usted ya tiene una cuenta",
    blocks: [
      paragraph(
        `Alguien, probablemente usted, quiso registrarse en ${service} con esta dirección. Ya tiene una cuenta.`,
      ),
      paragraph(
        `Abra la aplicación de ${service} o escriba ${site} en su navegador e inicie sesión. Si ya no recuerda su contraseña, renuévela en esa página.`,
      ),
      paragraph("Si no fue usted, no tiene que hacer nada."),
    ],
  }),
  addressDoubted: ({ service }) => ({
    subject: `Use otra de sus direcciones en ${service}`,
    title: "Con esta dirección aún no se puede renovar la contraseña",
    blocks: [
      paragraph(
        `Alguien, probablemente usted, pidió un código para renovar la contraseña de su cuenta de ${service}. Esta dirección se añadió a la cuenta después de que se copiara nuestra base de datos, o poco antes de que lo descubriéramos. Para que nadie entre con una dirección propia, no renueva la contraseña hasta que usted diga que es suya.`,
      ),
      paragraph(
        "Pida el código con una dirección que la cuenta ya tuviera, por ejemplo la de su registro. Después inicie sesión: su cuenta le preguntará por esta.",
      ),
      paragraph("Si no fue usted, no tiene que hacer nada."),
    ],
  }),
  renewalCode: ({ service, code: typed, validHours }) => ({
    subject: `Su código para renovar la contraseña en ${service}`,
    title: "Renueve su contraseña",
    blocks: [
      paragraph("Escriba este código en la página donde lo pidió y elija una contraseña nueva:"),
      code(typed),
      paragraph(`Sirve una sola vez, en el navegador donde lo pidió, durante ${validHours} horas.`),
      paragraph("Si no lo pidió usted, no tiene que hacer nada. No dé el código a nadie."),
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
          : ["Si fue usted, todo está en orden.", notYou(facts)],
    ),
  notice: (facts) => ({
    subject: `Aviso de robo de datos: su cuenta de ${facts.service} (${facts.reference})`,
    title: "Aviso de robo de datos",
    blocks: [
      heading("Qué ocurrió"),
      paragraph(
        facts.copiedAt === null
          ? `Alguien sin derecho a ello copió la base de datos en la que ${facts.service} guarda sus cuentas. Lo descubrimos el ${facts.foundAt}. No conocemos el día de la copia.`
          : `El ${facts.copiedAt} alguien sin derecho a ello copió la base de datos en la que ${facts.service} guarda sus cuentas. Lo descubrimos el ${facts.foundAt}.`,
      ),
      paragraph("Su cuenta está en esa copia. Lo sentimos."),
      heading("Qué datos están afectados"),
      list(...facts.dataClasses.map((each) => dataClasses[each])),
      ...protection(facts, keys, inClear),
      paragraph(`No se robaron datos de tarjetas ni de bancos: ${facts.service} no tiene ninguno.`),
      heading("Qué estamos haciendo"),
      ...contained(facts).map(paragraph),
      paragraph(
        facts.wayInClosedAt === null
          ? `Estamos investigando cómo ocurrió. Lo que averigüemos se publica en ${facts.site}/notice/${facts.reference}.`
          : `La vía de entrada quedó cerrada el ${facts.wayInClosedAt}.`,
      ),
      heading("Qué puede hacer usted"),
      steps(
        `Abra la aplicación de ${facts.service} o escriba ${facts.site} directamente en su navegador. Este mensaje no lleva ningún enlace a propósito.`,
        "Renueve su contraseña: recibirá un código por correo y elegirá una nueva.",
        "Si usa la contraseña anterior en otro sitio, cámbiela también allí.",
      ),
      paragraph(
        "Donde otro servicio ofrezca un segundo factor, actívelo: así una contraseña robada no abre nada por sí sola.",
      ),
      heading("Más información"),
      paragraph(
        `La referencia de este mensaje es ${facts.reference}. Escriba ${facts.site}/notice/${facts.reference} en su navegador para comprobar que es auténtico: allí está el mismo texto.`,
      ),
      ...(facts.contact === null ? [] : [paragraph(`Si tiene alguna pregunta, escriba a ${facts.contact}.`)]),
    ],
  }),
  testSend: {
    subject: "Prueba",
    note: "Esta es una prueba del mensaje que sigue. Solo se le ha enviado a usted.",
  },
  neverAsks: ({ service }) =>
    `Nadie de ${service} le pedirá nunca su contraseña ni un número de tarjeta, ni por correo ni por teléfono.`,
};
