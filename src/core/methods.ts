/**
 * The methods that the gateway forwards, and so the ones that a route can name: all that its parser knows. `CONNECT`
 * and `TRACE` are rejected: it is not a tunnel and reflects nothing.
 */
export const FORWARDED_METHODS = [
  ...['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'PROPFIND', 'PROPPATCH', 'MKCOL'],
  ...['COPY', 'MOVE', 'LOCK', 'UNLOCK', 'SEARCH', 'REPORT', 'MKACTIVITY', 'CHECKOUT', 'MERGE', 'BIND'],
  ...['REBIND', 'UNBIND', 'ACL', 'MKCALENDAR', 'LINK', 'UNLINK', 'PURGE', 'SUBSCRIBE', 'UNSUBSCRIBE'],
  ...['NOTIFY', 'M-SEARCH', 'SOURCE'],
] as const;
