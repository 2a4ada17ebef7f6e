import type { SharedWords } from "./shared-words.ts";

/** Japanese. */
export const ja: SharedWords = {
  "frame.skip": "本文へ移動",
  "frame.title": "{title} · {service}",
  "frame.title.failed": "エラー：{title} · {service}",
  "frame.promise": "{service} がメールでパスワードやカード番号をお聞きすることはありません。",
  "frame.check-letter": "お知らせを確かめる",
  "frame.contact": "お問い合わせ：{contact}",

  "field.address": "メールアドレス",
  "field.new-password": "新しいパスワード",
  "field.new-password.hint": "{count}文字以上、どんな文字でもかまいません。いくつかの単語を並べるとよいでしょう。",
  "field.reveal": "表示",
  "field.conceal": "隠す",
  "field.code": "お知らせに書かれたコード",
  "field.factor": "コード",
  "field.factor.hint": "認証アプリの6桁の数字、または回復コードの1つ。",
  "field.sign-out-devices": "パスワード変更後、接続中の機器をサインアウトする",
  "field.sign-out-devices.hint":
    "いまサインインしているブラウザー、テレビ、アプリは、もう一度サインインが必要になります。",

  "refused.code":
    "このコードは間違っているか、使用済みか、古すぎます。何度か送った場合は、いちばん新しいメールのコードを使ってください。",
  "refused.factor": "このコードは間違っているか、使用済みです。アプリに次のコードが出るのを待って入力してください。",
  "refused.factor.wait":
    "間違ったコードが多すぎます。アプリのコードは{minutes}分後にまた使えます。回復コードならすぐに使えます。",
  "refused.password-is-old": "これは盗まれたパスワードです。別のものを選んでください。",
  "refused.password.too-short": "{count}文字以上にしてください。いくつかの単語を並べるとよいでしょう。",
  "refused.password.too-long": "1,024文字以内にしてください。",
  "refused.password.common": "このパスワードは、泥棒が最初に試す一覧にあります。別のものを選んでください。",
  "refused.password.breached":
    "このパスワードは以前どこかで盗まれたか、そう見なされています。よいパスワードでも512に1つはそうなります。別のものを選んでください。",
  "refused.password.about-you":
    "あなたのアドレスや名前、または当サービスの名前でできています。別のものを選んでください。",
  "refused.password.repeats": "短い部分の繰り返しです。繰り返しでないものを足してください。",

  "notice.renew.title": "{date}より前のパスワードは使えなくなりました",
  "notice.renew.what":
    "セキュリティ上の問題があったため、使用を止めました。アカウントは残っています。新しいパスワードを設定すると戻れます。",
  "notice.renew": "新しいパスワードを設定する",
  "notice.read": "何が起きたか：{reference}",
  "notice.letter": "みなさまにお送りしたお知らせ",

  step: "手順 {step}／{steps}",
  "renew.title": "新しいパスワードを設定する",
  "renew.lead": "コードをメールでお送りします。それを使って新しいパスワードを選びます。古いパスワードは要りません。",
  "renew.do": "コードを送る",
  "renew.sign-in": "サインインに戻る",
  "renew.code.title": "新しいパスワードを選んでください",
  "renew.code.lead":
    "このアドレスのアカウントがあれば、コードを書いたメールをお送りしています。コードは24時間、このブラウザーでだけ使えます。",
  "renew.password.hint":
    "{alone}文字以上。サインインでコードも使う場合は{withFactor}文字以上。いくつかの単語を並べるとよいでしょう。",
  "renew.code.do": "新しいパスワードを設定する",
  "renew.factor.title": "あと1つ",
  "renew.factor.lead":
    "メールの確認ができました。このアカウントには2つ目の確認があります。そのコードと、新しいパスワードをもう一度入力してください。",
  "renew.code.again": "メールが届きませんか。迷惑メールの中を見るか、もう一度送ってください",
  "line.title": "順番をお取りしました",
  "line.lead":
    "いま、一度に対応できる数より多くの方がパスワードを設定しています。お断りすることはなく、お待ちの間に失われるものもありません。",
  "line.number": "あなたの番号",
  "line.before": "前にお待ちの方",
  "line.expected": "あなたの番",
  "line.before.nobody": "いません",
  "line.before.one": "1人",
  "line.before.people": "{count}人",
  "line.expected.now": "1分以内",
  "line.expected.minute": "約1分後",
  "line.expected.minutes": "約{minutes}分後",
  "line.expected.hours": "約{hours}時間後",
  "line.expected.unknown": "まだわかりません",
  "line.moves":
    "このページは自動で進みます。開いたままにするか、このブラウザーで戻ってきてください。順番は保たれます。",
  "line.code": "コードは正しいものでした。お待ちの間も使えます。順番が来たら、もう一度入力してください。",
  "line.passkey": "パスキーなら待たずに入れます：{link}。",
  "line.passkey.link": "パスキーでサインインする",
  "line.playing": "再生中の機器はそのまま再生を続けます。",
  "line.ask": "いま確かめる",
  "renew.done.title": "新しいパスワードを設定しました",
  "renew.done.signed-out": "接続中の機器はすべてサインアウトしました。新しいパスワードでサインインしてください。",
  "renew.done.kept": "サインインしていた機器はそのままです。アカウントのページでサインアウトできます。",
  "renew.done.tv": "テレビは文字を入力せずに戻れます。画面のコードでつないでください。",
  "renew.done.elsewhere": "古いパスワードをほかのサイトでも使っていたら、そこでも変えてください。",
  "renew.done.letter": "そのことを知らせるメールをお送りしました。心当たりがない場合にすることも書いてあります。",
  "renew.done.do": "サインイン",

  "letter.check.title": "このお知らせは本物ですか",
  "letter.check.lead":
    "セキュリティ上の問題についてのお知らせには、必ず照会番号があります。書かれているとおりに入力してください。",
  "letter.check.reference": "照会番号",
  "letter.check.do": "確かめる",
  "letter.unknown.title": "この照会番号は当サービスのものではありません",
  "letter.unknown.what": "照会番号 {reference} のお知らせは送っていません。",
  "letter.unknown.do":
    "当サービスの名前でこの番号が書かれたメールが来ても、従わないでください。リンクを開かず、パスワードやカード番号をどこにも入力しないでください。",
  "letter.unknown.mistyped": "入力の間違いかもしれません。1文字ずつ見比べて、もう一度試してください。",
  "letter.again": "ほかの照会番号を確かめる",
  "letter.genuine": "この照会番号は本物です",
  "letter.genuine.what": "この番号のお知らせがこのページと違うことを言っていたら、このページを信じてください。",
  "letter.do.title": "していただくこと",
  "letter.do.1": "このサイトのアドレスをご自分で入力し、ここで新しいパスワードを設定してください。",
  "letter.do.2": "それでサインインしてください。テレビは画面のコードで戻れます。",
  "letter.do.3": "古いパスワードをほかのサイトでも使っていたら、そこでも変えてください。",
  "letter.do.renew": "新しいパスワードを設定する",
  "letter.title": "お知らせ {reference}",
  "letter.contained": "古いパスワードの停止",
  "letter.sent": "お知らせの送付開始",
  "letter.closed": "対応の終了",
  "letter.text": "お送りしたお知らせ",
  "letter.none-yet": "お知らせはまだ送っていません。送ったお知らせにはこの番号があり、文面はここに載ります。",
};
