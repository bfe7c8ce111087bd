import { bodyFrom } from '../../core/body.ts';
import { Exchange } from '../../core/exchange.ts';
import { isSecretName } from '../../core/fields/secret-names.ts';
import { HeaderList } from '../../core/header-list.ts';
import type { StoredRequest } from '../../core/stores/async-jobs.ts';

/** Fields of one connection or one hop, and those that are fulfilled when the request is stored. */
const NOT_STORED: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'prefer',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Makes what is stored of a request, whose body has been read: all but its credentials. `id` stands in for a key that it lacks. */
export function storeRequest(exchange: Exchange, id: string): StoredRequest {
  const { request, identity, credentialField } = exchange;
  const { client } = request;
  const fields: string[] = [];
  for (const [name, value] of request.headers) {
    const lower = name.toLowerCase();
    const isLeftOut = NOT_STORED.has(lower) || lower === credentialField.toLowerCase() || isSecretName(lower);
    if (!isLeftOut) fields.push(name, value);
  }
  if (!request.headers.has('idempotency-key')) fields.push('Idempotency-Key', `"${id}"`);
  const { expiresAt: _, ...proven } = identity ?? {};
  return {
    route: exchange.route.id,
    method: request.method,
    target: request.target,
    path: exchange.path,
    query: exchange.query,
    host: exchange.host,
    authority: exchange.publicAuthority,
    scheme: exchange.scheme,
    clientAddress: exchange.clientAddress,
    isTrustedPeer: exchange.isTrustedPeer,
    peer: { address: client.remoteAddress, port: client.remotePort, localPort: client.localPort },
    fields,
    body: exchange.bodyBytes?.toString('base64') ?? '',
    params: { ...exchange.params },
    identity: identity === undefined ? undefined : (proven as StoredRequest['identity']),
    isAdmitted: exchange.isAdmitted,
    callerFields: exchange.callerFields,
    wantsInternalToken: exchange.wantsInternalToken,
    requestId: exchange.requestId,
  };
}

/** Makes an exchange of a stored request, for the same caller. No client waits for it. */
export function restoreExchange(stored: StoredRequest, startedAt: number): Exchange {
  const { fields, peer } = stored;
  const headers = HeaderList.from();
  for (let i = 0; i < fields.length; i += 2) headers.append(fields[i] as string, fields[i + 1] as string);
  const bytes = Buffer.from(stored.body, 'base64');
  const exchange = new Exchange(
    {
      method: stored.method,
      target: stored.target,
      httpVersion: '1.1',
      authority: stored.authority,
      headers,
      body: bodyFrom(bytes),
      upgrade: undefined,
      acceptsTrailers: false,
      client: {
        remoteAddress: peer.address,
        remotePort: peer.port,
        localPort: peer.localPort,
        isSecure: stored.scheme === 'https',
        serverName: undefined,
      },
    },
    startedAt,
  );
  exchange.bodyBytes = bytes;
  exchange.isDetached = true;
  exchange.path = stored.path;
  exchange.query = stored.query;
  exchange.host = stored.host;
  exchange.publicAuthority = stored.authority;
  exchange.scheme = stored.scheme;
  exchange.clientAddress = stored.clientAddress;
  exchange.isTrustedPeer = stored.isTrustedPeer;
  exchange.params = stored.params;
  exchange.identity = stored.identity;
  exchange.isAdmitted = stored.isAdmitted;
  exchange.callerFields = stored.callerFields;
  exchange.wantsInternalToken = stored.wantsInternalToken;
  exchange.requestId = stored.requestId;
  return exchange;
}
