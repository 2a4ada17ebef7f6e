interface ReportOptions {
  readonly status: string;
  readonly action?: string;
  readonly type?: string;
  readonly reportType?: string;
  readonly boundary?: string;
  readonly encoding?: "base64" | "quoted-printable";
  /** A part of its own before the status. */
  readonly before?: string;
  /** Further parts. */
  readonly parts?: number;
  /** A further field of the recipient. */
  readonly more?: string;
  readonly recipient?: string;
}

/** A delivery report as Postfix writes it (RFC 3464), with CRLF. */
export function deliveryReport(options: ReportOptions): string {
  const { status, action = "failed", type = "message/delivery-status", boundary = "4F1A2B.1/mx.example" } = options;
  const fields = [
    "Reporting-MTA: dns; mx.example",
    "Arrival-Date: Sun, 22 Nov 2026 20:41:07 +0000 (UTC)",
    "",
    `Final-Recipient: rfc822; ${options.recipient ?? "somebody@example.org"}`,
    `Action: ${action}`,
    ...(status === "" ? [] : [`Status: ${status}`]),
    "Diagnostic-Code: smtp; 550 no such user",
    ...(options.more === undefined ? [] : [options.more]),
    "",
  ].join("\n");
  const encoded =
    options.encoding === "base64"
      ? Buffer.from(fields).toString("base64").replace(/.{76}/g, "$&\n")
      : options.encoding === "quoted-printable"
        ? fields.replaceAll("=", "=3D").replace("Reporting", "Repor=\nting").replace("Status", "=53tatus")
        : fields;
  const parts = [
    "Content-Type: text/plain\n\nThis is the mail system. Your message could not be delivered.\n",
    ...(options.before === undefined ? [] : [options.before]),
    ...Array.from({ length: options.parts ?? 0 }, () => "Content-Type: text/plain\n\nmore\n"),
    `Content-Type: ${type}\n${options.encoding === undefined ? "" : `Content-Transfer-Encoding: ${options.encoding}\n`}\n${encoded}`,
    "Content-Type: text/rfc822-headers\n\nSubject: Notice of Data Breach\n",
  ];
  return [
    "From: MAILER-DAEMON@mx.example (Mail Delivery System)",
    "Subject: Undelivered Mail Returned to Sender",
    "Auto-Submitted: auto-replied",
    "MIME-Version: 1.0",
    `Content-Type: multipart/report; report-type=${options.reportType ?? "delivery-status"};`,
    `\tboundary="${boundary}"`,
    "",
    "This is a MIME-encapsulated message.",
    "",
    ...parts.map((part) => `--${boundary}\n${part}`),
    `--${boundary}--`,
    "",
  ]
    .join("\n")
    .replaceAll("\n", "\r\n");
}
