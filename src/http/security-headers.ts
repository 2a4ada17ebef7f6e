/** For documents: what they may load, and who may frame or open them. */
const pageHeaders = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; " +
    "connect-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; manifest-src 'self'; object-src 'none'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=()",
  "cache-control": "no-store",
} as const;

/**
 * For answers that are no documents. Shown as one all the same, they load and frame nothing; what speaks of documents only
 * is left out, since each header costs a session check a fiftieth.
 */
const dataHeaders = {
  "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
} as const;

/** What every answer bears; put together once, and not for each. */
export function secureHeaders(publicOrigin: string) {
  const transport = publicOrigin.startsWith("https:")
    ? { "strict-transport-security": "max-age=63072000; includeSubDomains" }
    : {};
  return { page: { ...pageHeaders, ...transport }, data: { ...dataHeaders, ...transport } };
}
