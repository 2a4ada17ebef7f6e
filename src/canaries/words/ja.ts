import type { DataClass } from "../../wire/incidents.ts";
import type { AlarmCatalogue, CanarySubject, CanaryWords, Way } from "./catalogue.ts";

const acts: Readonly<Record<Way, string>> = {
  "sign-in": "でサインインしようと",
  "sign-up": "で登録しようと",
  renewal: "あてに更新コードを求めようと",
  "second address": "をアカウントに追加しようと",
  mail: "にメールを送ろうと",
};

function canary({ place, way, plantedOn, retiredOn }: CanarySubject): CanaryWords {
  const what = `誰も知らず、推測もできないアドレス${acts[way]}した者がいます。`;
  const stood =
    retiredOn === null
      ? `このアドレスは${plantedOn}からデータベースにあります`
      : `このアドレスは${plantedOn}から${retiredOn}までデータベースにありました`;
  return {
    title: `${place}のおとりが使われました`,
    foundHow: `${place}のおとり（このアドレス${acts[way]}した者がいる）`,
    database: {
      evidence: `${what}${stood}（場所：${place}）。その期間のコピーが読まれ、アドレスが開かれました。それには鍵も必要です。`,
      notEvidence:
        "バックアップなのか、その期間のデータベース本体や複製なのかは区別できません。物理的な複製は元と同じだからです。実在のアカウントに入られたことを示すものでもありません。",
    },
    relay: {
      evidence: `${what}封印されたデータベースのほかにこのアドレスを受け取ったのは、一斉送信のときのメールサーバーだけです（場所：${place}）。メールサーバー、その記録、または途中のメールが読まれたか、データベースが鍵とともに読まれました。`,
      notEvidence:
        "データベースのおとりが鳴っていなければ、漏れたのはデータベースではない見込みが大きいです。名簿を売るメールサーバーからの広告でも同じように見えます。",
    },
    decoy: {
      evidence: `${what}このアドレスは${place}のおとりの表に読める形であり、ほかのどこにもありません。誰かがその表を、データベース、バックアップ、または複製から読み、中身を試しています。`,
      notEvidence: "おとりの表は鍵なしで読めます。封印されたものが開かれたことも、コピーがいつ作られたかも示しません。",
    },
  };
}

const about: AlarmCatalogue["about"] = {
  "copy detected": {
    title: "このデータベースは古いコピーです",
    evidence:
      "データベースの中身が、鍵のプロセスの覚えているものより少なくなっています。バックアップが戻されたか、別のコピーが入れ替わっています。それがよみがえらせるセッション、チケット、コード、リンクはすべて断られます。その間に封じ込めがあれば、パスワードも断られます。なければ、その後に変えられたパスワードは元に戻っており、封じ込めればそれも断られます。",
    notEvidence:
      "ほかの誰かがコピーを持っていることを示すものではありません。ご自身でバックアップを戻したのなら、このように見えます。",
    foundHow: "データベースが記憶より遅れているのを見つけた証人",
  },
  "timeline contradicted": ({ witness, size, answer }) => ({
    title: "証人が別のタイムラインを見ています",
    evidence: `証人${witness}は、${size}件のタイムラインへの連署を求められ、「${answer}」と答えました。タイムラインは伸びるだけのものなので、どちらかが署名のあとで切り詰められたか書き換えられました。データベースの代わりにバックアップが置かれたか、誰かが記録を変えて署名し直させました。`,
    notEvidence:
      "証人は断りに署名しません。うそをつく証人、記憶を失った証人、一つの名前で二つのタイムラインを持つ証人も同じことを言います。別の場所に保管したチェックポイントと、コマンドtimeline verifyと--checkpointで比べてください。",
    foundHow: "別のタイムラインに連署した証人",
  }),
  canary,
  honeyword: {
    title: "パスワードの記録から割り出された言葉が試されました",
    evidence:
      "あるアカウントのパスワードの記録に合うのに、そのパスワードではない言葉が試されました。そのような言葉は記録を解読すると見つかります。それには、データベースのコピーと、記録を封じる鍵（たとえば鍵のバックアップ）が必要です。",
    notEvidence:
      "どのコピーが読まれたかも、アカウントに入られたことも示しません。答えは「いいえ」でした。間違ったパスワードが偶然に合うのは12億回に1回です。鍵のプロセスのフォルダーをすべてコピーした者は、この警報を鳴らしません。",
    foundHow: "パスワードの記録のおとりの言葉が試されたこと",
  },
  "key use": {
    title: "サービスに隠れて鍵が使われました",
    evidence:
      "鍵のプロセスが、このサービスのどのプロセスも予告していない呼び出しに答えました。ほかの誰かが鍵のプロセスに届き、記された役割の資格情報を持っています。プロセスのメモリー、マシンのファイル、またはそのバックアップからです。何が求められたかは用途ごとに記されています。",
    notEvidence:
      "何について、誰について尋ねられたかは示しません。乗っ取られたプロセスは尋ねることを予告するので、ここでは鳴りません。鍵そのものを持つ者も同じです。最後の書き込みを失ったデータベースも同じように見えます。",
    foundHow: "どのプロセスも予告していない鍵の使用",
  },
  stuffing: (seen) => ({
    title: "よそのパスワードが試されています",
    evidence: `${seen.from}からの10分間に、サインインが${seen.failed}回失敗しました。100回のうち${seen.unknownPercent}回は、ここにアカウントのないアドレスで、${seen.networks}のネットワークからでした。この時間帯の失敗は普段${seen.usualFailed}回で、100回のうち${seen.usualUnknownPercent}回が知らないアドレス、${seen.usualNetworks}のネットワークからです。ほかのサービスの名簿が試されるとこのように見えます。`,
    notEvidence:
      "ここで何かがコピーされたことも、どれかが成功したことも示しません。正しくサインインできない新しいアプリでも同じように見えることがあります。",
    foundHow: "普段よりはるかに多い、知らないアドレスでのサインインの失敗",
  }),
  test: {
    title: "警報の試験",
    evidence: "マシン上で、警報を試すコマンドが実行されました。この方法でお知らせが届くことを示しています。",
    notEvidence: "ほかの何も示しません。何も起きていません。",
    foundHow: "警報の試験",
  },
};

const dataNames: Readonly<Record<DataClass, string>> = {
  addresses: "アドレス",
  names: "名前",
  "password records": "パスワードの記録",
  sessions: "セッション",
  "second factors": "第二の要素",
  "viewing history": "視聴履歴",
};
const withinReach = { no: "いいえ", unknown: "不明", yes: "はい" } as const;

export const ja: AlarmCatalogue = {
  about,
  subject: (service, title) => `${service}の警報：${title}`,
  rang: (at, place, times) =>
    `${at}に鳴りました${place === null ? "" : `（場所：${place}）`}${times > 1 ? `。これまでに${times}回です` : ""}。`,
  evidence: (what) => `示していること：${what}`,
  notEvidence: (what) => `示していないこと：${what}`,
  noCase: "案件は提案していません。",
  proposes: ({ how, copiedAfter, data, keys }) =>
    `案件を提案しています。見つけたもの：${how}。コピーの時点：${copiedAfter === null ? "不明" : `${copiedAfter}以降`}。データ：${data.map((one) => dataNames[one]).join("、")}。鍵に手が届いたか：${withinReach[keys]}。`,
  look: (console, containing) =>
    `${console}をご覧になるか、マシン上でhouselights alarm listを実行してください。最初の問いは、これまでのアクセスをすべて閉じるかどうかです。コマンド一つでできます：${containing}`,
};
