import { createPrivateKey } from "node:crypto";

/** A certificate as makers of authenticators put into them (Web Authentication section 8.2.1), made for these tests alone. */
export const attestationCertificate = Buffer.from(
  "MIICODCCAd6gAwIBAgIUYClWa1h7wULzaecwbBuBlBWM0MkwCgYIKoZIzj0EAwIwcjELMAkGA1UEBhMCU0UxGjAYBgNVBAoMEUhv" +
    "dXNlbGlnaHRzIHRlc3RzMSIwIAYDVQQLDBlBdXRoZW50aWNhdG9yIEF0dGVzdGF0aW9uMSMwIQYDVQQDDBpBbiBhdXRoZW50aWNh" +
    "dG9yIG9mIG5vYm9keTAgFw0yNjExMjYwNDM3NDJaGA8yMTI2MTEwMjA0Mzc0MlowcjELMAkGA1UEBhMCU0UxGjAYBgNVBAoMEUhv" +
    "dXNlbGlnaHRzIHRlc3RzMSIwIAYDVQQLDBlBdXRoZW50aWNhdG9yIEF0dGVzdGF0aW9uMSMwIQYDVQQDDBpBbiBhdXRoZW50aWNh" +
    "dG9yIG9mIG5vYm9keTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLsfOaps2/QZ6AX/wZmEmUsi01PHt//tp1VTmWGpRMDxYiMB" +
    "ZEjaXikfeft1CKtlKxh4mhRpOn0JL+sbH5EatoajUDBOMB0GA1UdDgQWBBQtZcT5mS+/RaI/czHKgpzM2pENXTAfBgNVHSMEGDAW" +
    "gBQtZcT5mS+/RaI/czHKgpzM2pENXTAMBgNVHRMBAf8EAjAAMAoGCCqGSM49BAMCA0gAMEUCIQC3iE2I3cqrecnmrmr4A7SM2qfj" +
    "coJFZHAbEDbFd90WEwIgdTO/TWPnUCGJz0pJcr/e+ozsMf+oqOS02rUJoC6Vr4Q=",
  "base64",
);

/** Its private key, which guards nothing. */
export const attestationKey = createPrivateKey({
  key: Buffer.from(
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgHCjURelSUmRMJQC/5K8kxRd9IO/KtOENAAcJPyHt7zahRANCAAS7" +
      "HzmqbNv0GegF/8GZhJlLItNTx7f/7adVU5lhqUTA8WIjAWRI2l4pH3n7dQirZSsYeJoUaTp9CS/rGx+RGraG",
    "base64",
  ),
  format: "der",
  type: "pkcs8",
});
