import type { ChangeLetterKind } from "../../jobs/jobs.ts";
import type { DataClass } from "../../wire/incidents.ts";
import { asksNothing, changeLetter, code, heading, list, paragraph, protection, steps } from "./catalogue.ts";
import type { Catalogue, ChangeText, ChangeWords, NoticeText } from "./catalogue.ts";

const dataClasses: Readonly<Record<DataClass, string>> = {
  addresses: "メールアドレス",
  names: "お名前",
  "password records": "パスワードの照合用データ（パスワードそのものは保存していません）",
  sessions: "サインインしていた端末",
  "second factors": "二段階認証の照合用データ",
  "viewing history": "視聴履歴",
};

const keys: Readonly<Record<NoticeText["keysReachable"], string>> = {
  no: "これらはすべて暗号化して保存されています。鍵は別の場所にあり、盗まれていません。それでも、お客様には知る権利があるためお知らせします。",
  unknown:
    "これらはすべて暗号化して保存されています。ただし、鍵にも手が届いた可能性を否定できません。読み取られるおそれがあるものとして対応をお願いします。",
  yes: "これらはすべて暗号化して保存されていますが、鍵にも手が届く状態でした。読み取られるおそれがあるものとして対応をお願いします。",
};

const inClear =
  "視聴履歴だけは暗号化されていません。無作為な番号とともに保存され、お名前やメールアドレスは付いていません。";

function contained({ containment, containedAt, keptTools }: NoticeText): string[] {
  if (containment === null || containedAt === null) return [];
  switch (containment) {
    case "everyone-out":
      return [
        `${containedAt}に、すべての端末をサインアウトし、それまでのパスワード、コード、リンクをすべて無効にしました。複製されたもので開けるものは、もう何もありません。`,
        ...(keptTools ? ["お客様ご自身が設定したツールとスクリプトだけは、引き続き使えます。"] : []),
      ];
    case "with-renewal":
      return [
        `${containedAt}に、それまでのパスワード、コード、リンクをすべて無効にしました。サインイン中の端末は、パスワードを再設定するまでそのまま使えます。再設定すると、特に選ばないかぎりサインアウトされます。`,
      ];
    case "account":
      return [`${containedAt}に、お客様のアカウントをすべての端末からサインアウトしました。`];
  }
}

const notYou = ({ service, site, undoAt }: ChangeText): string =>
  undoAt === null
    ? `お心当たりがない場合は、まずメールのパスワードを変更してください。次に ${service} のアプリを開くか、ブラウザに ${site} と入力し、パスワードをもう一度再設定してください。`
    : `お心当たりがない場合は、7日以内に次のアドレスをブラウザに貼り付け、表示されるボタンを押してください。変更が取り消され、すべての端末がサインアウトされます： ${undoAt}`;

const changes: Readonly<Record<ChangeLetterKind, ChangeWords>> = {
  renewed: {
    title: "パスワードが再設定されました",
    what: ({ at, service }) =>
      `${at}に、お客様の ${service} アカウントに新しいパスワードが設定されました。古いパスワードは無効です。`,
  },
  "password changed": {
    title: "パスワードが変更されました",
    what: ({ at, service }) =>
      `${at}に、サインイン中の端末で、お客様の ${service} アカウントのパスワードが変更されました。`,
  },
  "address added": {
    title: "アカウントにメールアドレスが追加されました",
    what: ({ at, service }) =>
      `${at}に、お客様の ${service} アカウントにメールアドレスが追加されました。そのアドレスのメールを読める人は、パスワードを再設定できます。`,
  },
  "address removed": {
    title: "アカウントからメールアドレスが削除されました",
    what: ({ at, service }) =>
      `${at}に、お客様の ${service} アカウントからメールアドレスが削除されました。このお知らせは、そのアドレスにも送っています。`,
  },
  "first address changed": {
    title: "最初に使うメールアドレスが変わりました",
    what: ({ at, service }) => `${at}に、${service} が最初にメールを送るアドレスとして、別のアドレスが選ばれました。`,
  },
  "passkey added": {
    title: "アカウントにパスキーが追加されました",
    what: ({ at, service }) =>
      `${at}に、お客様の ${service} アカウントにパスキーが追加されました。パスキーがあれば、パスワードなしでサインインできます。`,
  },
  "passkey removed": {
    title: "アカウントからパスキーが削除されました",
    what: ({ at, service }) =>
      `${at}に、お客様の ${service} アカウントからパスキーが削除されました。そのパスキーではもうサインインできません。`,
  },
  "passkey doubted": {
    title: "パスキーの1つが拒否されています",
    what: ({ at, service, site }) =>
      `${at}に、お客様の ${service} アカウントのパスキーが、前より小さい値のカウンターで署名しました。同じパスキーが2つあるように見えます。お客様がご自分のものだと確認するまで、そのパスキーは拒否されます。ブラウザに ${site} と入力し、別の方法でサインインして、アカウントの「パスキー」をご覧ください。端末をバックアップから復元した場合は残し、そうでない場合は削除してください。`,
  },
  "second factor added": {
    title: "二段階認証が有効になりました",
    what: ({ at, service }) => `${at}に、お客様の ${service} アカウントで二段階認証が有効になりました。`,
  },
  "second factor removed": {
    title: "二段階認証が無効になりました",
    what: ({ at, service }) => `${at}に、お客様の ${service} アカウントで二段階認証が無効になりました。`,
  },
  "recovery codes made": {
    title: "新しい復旧コードが作られました",
    what: ({ at, service }) =>
      `${at}に、お客様の ${service} アカウントに新しい復旧コードが作られました。以前のコードはもう使えません。`,
  },
  "recovery code used": {
    title: "復旧コードが使われました",
    what: ({ at, service }) =>
      `${at}に、お客様の ${service} アカウントの復旧コードの一つが、二段階認証の代わりに使われました。このコードはもう使えません。`,
  },
  "recovery started": {
    title: "アカウントの復旧が始まりました",
    what: ({ at, service }) =>
      `${at}に、ご本人であり、入る手段をすべて失ったと申し出た方のために、${service} の運営者がお客様のアカウントの復旧を始めました。72時間後から、その方は別のアドレスに届くコードで新しいパスワードを設定できます。`,
  },
  "recovery without second factor": {
    title: "二段階認証なしでアカウントの復旧が始まりました",
    what: ({ at, service }) =>
      `${at}に、ご本人であり、二段階認証も含めて入る手段をすべて失ったと申し出た方のために、${service} の運営者がお客様のアカウントの復旧を始めました。7日後から、その方は別のアドレスに届くコードで新しいパスワードを設定できます。二段階認証は求められず、無効になります。`,
  },
  "recovery waits": {
    title: "アカウントに戻れる日時のお知らせ",
    what: ({ at, service, site }) =>
      `${service} の運営者が、このアドレスでお客様のアカウントの復旧を始めました。${at}から7日間、ブラウザに ${site} と入力し、パスワードの再設定を選んで、このアドレスを入力してください。それまでは、ほかのアドレスから復旧を止めることができます。何もする必要はありません。お心当たりがない場合も、何もする必要はありません。`,
  },
  "recovery ended": {
    title: "アカウントの復旧が終了しました",
    what: ({ at, service }) =>
      `${at}に、${service} の運営者が、進行中だったお客様のアカウントの復旧を終了しました。別のアドレスから新しいパスワードを設定することはもうできません。ほかに変わったことはなく、何もする必要はありません。まだアカウントに入れない場合は、もう一度お申し出ください。`,
  },
  "deletion asked": {
    title: "アカウントの削除が予定されています",
    what: ({ at, service }) =>
      `${at}に、お客様の ${service} アカウントの削除が求められました。7日後に削除されます。それまでは、アカウントのページ、または下記の方法で取り消すことができます。`,
  },
  "change taken back": {
    title: "アカウントの変更が取り消されました",
    what: ({ at, service }) =>
      `${at}に、どなたかがお知らせのメールにあるボタンを押しました。それ以降に ${service} アカウントで変更されたことは取り消され、すべての端末がサインアウトされ、パスワードは使えなくなりました。`,
  },
  "account deleted": {
    title: "アカウントが削除されました",
    what: ({ at, service }) =>
      `${at}に、お客様の ${service} アカウントは削除されました。保存されていた内容は誰にも読めなくなり、このアドレスは再び登録に使えます。これが最後のお知らせです。`,
  },
};

const comeBack = ({ service, site }: ChangeText): string =>
  `再びご利用になるには、${service} のアプリを開くか、ブラウザに ${site} と入力し、そこでパスワードを再設定してください。`;

export const ja: Catalogue = {
  signUpCode: ({ service, code: typed, validHours }) => ({
    subject: `${service} の確認コード`,
    title: `${service} へようこそ`,
    blocks: [
      paragraph("登録したページに、次のコードを入力してください。"),
      code(typed),
      paragraph(`コードは、登録に使ったブラウザで一度だけ、${validHours}時間有効です。`),
      paragraph("登録したお心当たりがない場合は、何もする必要はありません。コードがなければアカウントは作られません。"),
    ],
  }),
  alreadyRegistered: ({ service, site }) => ({
    subject: `${service} のアカウントはすでにあります`,
    title: "アカウントはすでにあります",
    blocks: [
      paragraph(
        `どなたか（おそらくお客様）が、このアドレスで ${service} に登録しようとしました。このアドレスにはすでにアカウントがあります。`,
      ),
      paragraph(
        `${service} のアプリを開くか、ブラウザに ${site} と入力してサインインしてください。パスワードをお忘れの場合は、そこで再設定できます。`,
      ),
      paragraph("お心当たりがない場合は、何もする必要はありません。"),
    ],
  }),
  addressDoubted: ({ service }) => ({
    subject: `${service}：別のメールアドレスをお使いください`,
    title: "このアドレスではまだパスワードを再設定できません",
    blocks: [
      paragraph(
        `どなたか（おそらくお客様）が、${service} アカウントのパスワードを再設定するコードを請求しました。このアドレスは、当方のデータベースが複製された後、またはそれが判明する少し前に、アカウントに追加されたものです。他人が自分のアドレスで入ることのないよう、お客様がご自分のものだと確認するまで、このアドレスではパスワードを再設定できません。`,
      ),
      paragraph(
        "登録時のアドレスなど、アカウントに以前からあるアドレスでコードを請求してください。その後サインインすると、アカウントでこのアドレスについて確認できます。",
      ),
      paragraph("お心当たりがない場合は、何もする必要はありません。"),
    ],
  }),
  renewalCode: ({ service, code: typed, validHours }) => ({
    subject: `${service} のパスワード再設定コード`,
    title: "パスワードの再設定",
    blocks: [
      paragraph("コードを請求したページに次のコードを入力し、新しいパスワードを決めてください。"),
      code(typed),
      paragraph(`コードは、請求に使ったブラウザで一度だけ、${validHours}時間有効です。`),
      paragraph("請求したお心当たりがない場合は、何もする必要はありません。コードを誰にも教えないでください。"),
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
          : ["ご本人による操作であれば、問題ありません。", notYou(facts)],
    ),
  notice: (facts) => ({
    subject: `情報漏えいのお知らせ：${facts.service} のアカウントについて（${facts.reference}）`,
    title: "情報漏えいのお知らせ",
    blocks: [
      heading("何が起きたか"),
      paragraph(
        facts.copiedAt === null
          ? `権限のない何者かが、${facts.service} のアカウントを保管するデータベースを複製しました。当方は${facts.foundAt}にこれを知りました。複製された日は分かっていません。`
          : `${facts.copiedAt}に、権限のない何者かが、${facts.service} のアカウントを保管するデータベースを複製しました。当方は${facts.foundAt}にこれを知りました。`,
      ),
      paragraph("お客様のアカウントもその複製に含まれています。申し訳ございません。"),
      heading("対象となる情報"),
      list(...facts.dataClasses.map((each) => dataClasses[each])),
      ...protection(facts, keys, inClear),
      paragraph(`カードや銀行の情報は盗まれていません。${facts.service} はそれらを持っていません。`),
      heading("当方の対応"),
      ...contained(facts).map(paragraph),
      paragraph(
        facts.wayInClosedAt === null
          ? `侵入の経路は調査中です。分かったことは ${facts.site}/notice/${facts.reference} に掲載します。`
          : `侵入の経路は${facts.wayInClosedAt}にふさぎました。`,
      ),
      heading("お客様にしていただきたいこと"),
      steps(
        `${facts.service} のアプリを開くか、ご自分でブラウザに ${facts.site} と入力してください。このお知らせには、あえてリンクを入れていません。`,
        "パスワードを再設定してください。メールでコードが届き、新しいパスワードを決められます。",
        "古いパスワードをほかの場所でも使っている場合は、そちらも変更してください。",
      ),
      paragraph(
        "ほかのサービスで二段階認証が使える場合は、有効にしてください。盗まれたパスワードだけでは入れなくなります。",
      ),
      heading("詳しい情報"),
      paragraph(
        `このお知らせの番号は ${facts.reference} です。ブラウザに ${facts.site}/notice/${facts.reference} と入力すると、本物であることを確かめられます。同じ文面が掲載されています。`,
      ),
      ...(facts.contact === null ? [] : [paragraph(`ご質問は ${facts.contact} までお送りください。`)]),
    ],
  }),
  testSend: {
    subject: "テスト",
    note: "これは以下のお知らせのテストです。送信先はあなただけです。",
  },
  neverAsks: ({ service }) =>
    `${service} の者が、メールや電話でパスワードやカード番号をお尋ねすることは決してありません。`,
};
