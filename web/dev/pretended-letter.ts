/** A notice as long as the true one, for the screens that show it in full. */
export const pretendedLetter = {
  locale: "en",
  subject: "Notice of data breach at Houselights: please set a new password",
  text: [
    "What happened\n-------------",
    "On 22 November 2026 we learnt that somebody had copied a database of ours. The copy was made between 20 and 21 November. We closed the way in on the day that we found it, and we have looked for others.",
    "What information was involved\n-----------------------------",
    "Your e-mail address, the name that you gave yourself, a protected form of your password, and which devices were signed in. Not your payment data: we never keep it.",
    "What we are doing\n-----------------",
    "We have signed out every device of every account. No old password opens anything any more. We have told the authorities, and we have had the keys changed that protect what is stored.",
    "What you can do\n---------------",
    "1. Open Houselights in your browser as you always do, and choose to set a new password. We send a code to this address.\n2. Choose a password that you use nowhere else. If you used the old one elsewhere, change it there too.\n3. Connect your televisions again with the code that they show. You type no password on a television.",
    "A second factor or a passkey protects your account even if a password gets known. You find both in your account.",
    "Nobody of ours will ever ask for your password or your card, by mail, by telephone or in a message. This letter has no link to a form. Whoever sends you one is not us.",
    "For more information",
    "You find this text, word for word, on our site under the reference HL-2026-0001. You can also write to help@films.example.",
  ].join("\n\n"),
} as const;
