import type { DataClass } from "../../wire/incidents.ts";
import type { AlarmCatalogue, CanarySubject, CanaryWords, Way } from "./catalogue.ts";

const acts: Readonly<Record<Way, string>> = {
  "sign-in": "ha intentado iniciar sesión con una dirección",
  "sign-up": "ha intentado crear una cuenta con una dirección",
  renewal: "ha pedido un código de renovación para una dirección",
  "second address": "ha querido añadir a una cuenta una dirección",
  mail: "ha escrito a una dirección",
};

function canary({ place, way, plantedOn, retiredOn }: CanarySubject): CanaryWords {
  const what = `Alguien ${acts[way]} que nadie conoce y que no se puede adivinar.`;
  const stood =
    retiredOn === null
      ? `Está en la base de datos desde el ${plantedOn}`
      : `Estuvo en la base de datos del ${plantedOn} al ${retiredOn}`;
  return {
    title: `Se ha usado un señuelo de ${place}`,
    foundHow: `un señuelo de ${place}: alguien ${acts[way]} que es ese señuelo`,
    database: {
      evidence: `${what} ${stood}, para el lugar ${place}: se ha leído una copia de ese tiempo y se han abierto sus direcciones, lo que requiere también las claves.`,
      notEvidence:
        "No distingue una copia de seguridad de la propia base de datos ni de una réplica de ese tiempo: una réplica física es igual a su original. No muestra que se haya entrado en una cuenta verdadera.",
    },
    relay: {
      evidence: `${what} Además de la base de datos sellada, solo la recibió el servidor de correo, cuando una campaña le escribió (lugar ${place}): se han leído ese servidor, sus registros o el correo en camino, o la base de datos junto con las claves.`,
      notEvidence:
        "Si los señuelos de la base de datos callan, la base de datos no es la fuga más probable. La publicidad de un servidor de correo que vende listas tendría el mismo aspecto.",
    },
    decoy: {
      evidence: `${what} Está en claro en la tabla señuelo de ${place} y en ninguna otra parte: alguien ha leído esa tabla, en la base de datos, una copia de seguridad o una réplica, y prueba lo que contenía.`,
      notEvidence:
        "La tabla señuelo se lee sin claves: no muestra que se haya abierto nada sellado ni cuándo se hizo la copia.",
    },
  };
}

const about: AlarmCatalogue["about"] = {
  "copy detected": {
    title: "Esta base de datos es una copia más antigua",
    evidence:
      "La base de datos contiene menos de lo que el proceso de claves recuerda de ella: se ha restaurado una copia de seguridad, o hay otra copia en su lugar. Se rechaza toda sesión, todo tique, todo código y todo enlace que pudiera revivir. También se rechazan las contraseñas si entretanto se contuvo. Si no, las que se cambiaron desde entonces vuelven a ser las antiguas, y contener las rechaza.",
    notEvidence:
      "No es señal de que otra persona tenga una copia. Si usted mismo restauró una copia de seguridad, este es el aspecto de una restauración.",
    foundHow: "el testigo, que encontró la base de datos por detrás de lo que recuerda",
  },
  "timeline contradicted": ({ witness, size, answer }) => ({
    title: "Un testigo ha visto otra cronología",
    evidence: `Se pidió al testigo ${witness} que cofirmara la cronología con ${size} entradas y respondió: «${answer}». Una cronología solo crece, así que una de las dos se recortó o se reescribió después de firmarse: hay una copia de seguridad en lugar de la base de datos, o alguien cambió el registro y lo hizo firmar de nuevo.`,
    notEvidence:
      "Un testigo no firma su negativa: si miente, si ha perdido su memoria o si lleva dos cronologías con un solo nombre, dice lo mismo. Compare con un punto de control guardado en otra parte, con la orden timeline verify y --checkpoint.",
    foundHow: "un testigo de la cronología, que ha cofirmado otra",
  }),
  canary,
  honeyword: {
    title: "Se ha probado una palabra sacada de los datos de una contraseña",
    evidence:
      "Alguien ha probado una palabra que encaja con los datos de la contraseña de una cuenta y no es su contraseña. Tales palabras se encuentran rompiendo esos datos: hacen falta una copia de la base de datos y la clave que los sella, por ejemplo de una copia de seguridad de las claves.",
    notEvidence:
      "No dice qué copia se leyó ni que se haya entrado en la cuenta: la respuesta fue no. Una contraseña errónea encaja por azar una vez en 1200 millones de intentos. Quien haya copiado toda la carpeta del proceso de claves no haría sonar esta alarma.",
    foundHow: "el intento con una palabra señuelo de los datos de una contraseña",
  },
  "key use": {
    title: "Se han usado claves a espaldas del servicio",
    evidence:
      "El proceso de claves ha respondido a llamadas que ningún proceso de este servicio había anunciado. Alguien más llega a él y tiene una credencial del papel que se nombra: de la memoria de un proceso, de un archivo de la máquina o de una copia de seguridad de esta. Lo que se pidió se nombra por finalidad.",
    notEvidence:
      "No muestra sobre qué se preguntó ni sobre quién. Un proceso del servicio que haya sido tomado anuncia lo que pide y aquí no hace sonar nada; tampoco quien tiene las claves mismas. Una base de datos que haya perdido sus últimas escrituras tiene el mismo aspecto.",
    foundHow: "usos de claves que ningún proceso había anunciado",
  },
  stuffing: (seen) => ({
    title: "Se prueban contraseñas de otra parte",
    evidence: `En los diez minutos desde ${seen.from} han fallado ${seen.failed} inicios de sesión, de los que ${seen.unknownPercent} de cada 100 eran con direcciones que no tienen cuenta aquí, desde ${seen.networks} redes. A esta hora del día fallan ${seen.usualFailed}, ${seen.usualUnknownPercent} de cada 100 con direcciones desconocidas, desde ${seen.usualNetworks} redes. Ese es el aspecto de una lista de otro servicio que alguien prueba.`,
    notEvidence:
      "No es señal de que aquí se haya copiado algo ni de que algún intento haya tenido éxito. Una versión nueva de una aplicación que inicia sesión mal puede tener el mismo aspecto.",
    foundHow: "muchos más inicios de sesión fallidos que de costumbre, con direcciones desconocidas",
  }),
  test: {
    title: "Una prueba de la alarma",
    evidence:
      "Alguien ha ejecutado en la máquina la orden que prueba la alarma. Muestra que esta manera de avisarle funciona.",
    notEvidence: "No es señal de nada más. No ha pasado nada.",
    foundHow: "una prueba de la alarma",
  },
};

const dataNames: Readonly<Record<DataClass, string>> = {
  addresses: "direcciones",
  names: "nombres",
  "password records": "datos de contraseñas",
  sessions: "sesiones",
  "second factors": "segundos factores",
  "viewing history": "historial de visionado",
};
const withinReach = { no: "no", unknown: "no se sabe", yes: "sí" } as const;

export const es: AlarmCatalogue = {
  about,
  subject: (service, title) => `Alarma en ${service}: ${title}`,
  rang: (at, place, times) =>
    `Sonó el ${at}${place === null ? "" : `, para el lugar ${place}`}${times > 1 ? `; ${times} veces hasta ahora` : ""}.`,
  evidence: (what) => `De qué es señal: ${what}`,
  notEvidence: (what) => `De qué no es señal: ${what}`,
  noCase: "No propone ningún caso.",
  proposes: ({ how, copiedAfter, data, keys }) =>
    `Propone un caso: hallado por ${how}; copia: ${copiedAfter === null ? "fecha desconocida" : `el ${copiedAfter} o después`}; datos: ${data.map((one) => dataNames[one]).join(", ")}; claves al alcance: ${withinReach[keys]}.`,
  look: (console, containing) =>
    `Mire en ${console} o, en la máquina: houselights alarm list. La primera pregunta es si hay que cerrar todos los accesos antiguos; es una sola orden: ${containing}.`,
};
