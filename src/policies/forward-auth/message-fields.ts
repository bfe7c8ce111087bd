/** Fields that say something about a response, and nothing where a request is due. */
const OF_RESPONSES: ReadonlySet<string> = new Set([
  ...['set-cookie', 'set-cookie2', 'www-authenticate', 'proxy-authenticate', 'location', 'retry-after'],
  ...['content-type', 'content-encoding', 'content-language', 'content-location', 'content-disposition'],
  ...['content-range', 'accept-ranges', 'etag', 'last-modified', 'vary', 'age', 'allow', 'server', 'date'],
  ...['strict-transport-security', 'content-security-policy', 'clear-site-data'],
]);
/** Fields that say something about a request, and nothing where a response is due. */
const OF_REQUESTS: ReadonlySet<string> = new Set([
  ...['authorization', 'cookie', 'proxy-authorization', 'origin', 'referer', 'user-agent', 'accept'],
]);
/** Fields that are lists, so that several of them say the same as one (RFC 9110 §5.3). */
const LISTS: ReadonlySet<string> = new Set([
  ...['accept', 'accept-charset', 'accept-encoding', 'accept-language', 'cache-control', 'pragma'],
  ...['if-match', 'if-none-match', 'prefer', 'tracestate', 'baggage'],
]);

/** Says why an upstream cannot be told what a field of a response says, with the remedy behind ' — ', or nothing. */
export function findResponseField(name: string): string | undefined {
  if (name === 'set-cookie') return 'is for the client — name it in clientHeaders';
  return OF_RESPONSES.has(name)
    ? 'is about the response of the service, not about the request — leave it out'
    : undefined;
}

/** Says why a client cannot be told what a field of requests says, with the remedy behind ' — ', or nothing. */
export function findRequestField(name: string): string | undefined {
  return OF_REQUESTS.has(name)
    ? 'is a field of requests, which says nothing to clients — leave it out'
    : undefined;
}

/** Tells whether a field has one value, so that of several the service and the upstream could each take another one. */
export function isSingleField(name: string): boolean {
  return !LISTS.has(name);
}
