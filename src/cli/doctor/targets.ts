import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { type RequestOptions, request as secureRequest } from 'node:https';
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { GatewayConfig, UpstreamConfig } from '../../config/schema/schema.ts';
import { readTargetUrl, type TargetOrigin } from '../../config/schema/target-url.ts';
import type { Check, Findings } from './finding.ts';

const MAX_SKEW_MS = 30_000;
const DAY_MS = 86_400_000;
const SOON_MS = 14 * DAY_MS;

/** Looks whether the names of targets are known, whether they answer, and what their clocks say. */
export function targetChecks(config: GatewayConfig): Check[] {
  return Object.entries(config.upstreams).flatMap(([name, upstream]) =>
    (upstream.targets ?? []).map(({ url }) => ({
      check: 'target',
      subject: `${name} ${url}`,
      look: (findings: Findings, signal: AbortSignal) =>
        lookAtTarget(upstream, readTargetUrl(url), findings, signal),
    })),
  );
}

/** Where a target is, and by which name it goes where that is known by its address. */
export type NamedOrigin = TargetOrigin & { readonly name?: string | undefined };

/** Asks one target as health checks do, and looks at its name, its certificate and its clock. */
export async function lookAtTarget(
  upstream: UpstreamConfig,
  origin: NamedOrigin,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  const { host } = origin;
  if (origin.socketPath === undefined && isIP(host) === 0) {
    try {
      await lookup(host);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return findings.problem(
        `the name ${host} is not known (${code})`,
        'correct the name, or the resolver (/etc/resolv.conf)',
      );
    }
  }
  const requestedAt = Date.now();
  const asked = await ask(upstream, origin, signal).catch((error: NodeJS.ErrnoException) => error);
  if (asked instanceof Error) return findings.problem(...explain(asked, signal));
  const { statusCode = 0, headers, socket } = asked;
  lookAtCertificate(socket, findings);
  lookAtClock(headers.date, requestedAt, findings);
  if (upstream.health.active !== undefined && statusCode >= 400)
    findings.problem(
      `its health check ${upstream.health.active.path} is answered ${statusCode}`,
      'mend the service, or correct health.active.path',
    );
  if (findings.found.length === 0) findings.ok(`answers (${statusCode})`);
}

/** Asks what health checks ask, or for the head of `/`, which no service should mind. */
async function ask(
  { health, tls, timeouts }: UpstreamConfig,
  { host, port, isSecure, socketPath, name }: NamedOrigin,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const read = async (file: string | undefined) => (file === undefined ? undefined : await readFile(file));
  const [ca, cert, key] = await Promise.all([read(tls?.caFile), read(tls?.certFile), read(tls?.keyFile)]);
  const serverName = tls?.serverName ?? name ?? host;
  const options: RequestOptions = {
    ...(socketPath === undefined ? { host, port } : { socketPath }),
    method: health.active === undefined ? 'HEAD' : 'GET',
    path: health.active?.path ?? '/',
    agent: false,
    signal,
    timeout: timeouts.connect,
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(isIP(serverName) === 0 && serverName !== '' && { servername: serverName }),
    rejectUnauthorized: tls?.dangerouslySkipTlsVerification !== true,
  };
  return new Promise((resolve, reject) => {
    const request = isSecure || tls !== undefined ? secureRequest(options) : plainRequest(options);
    request.on('error', reject).on('timeout', () => request.destroy(new Error('timeout')));
    request.on('response', (response) => {
      // The socket says what it knows before it ends.
      resolve(response);
      response.destroy();
    });
    request.end();
  });
}

function explain(error: NodeJS.ErrnoException, signal: AbortSignal): [message: string, remedy: string] {
  const { code = error.message } = error;
  if (signal.aborted || error.message === 'timeout')
    return [
      'does not respond before the timeout',
      'look whether it runs, and whether a firewall drops what is sent to it',
    ];
  if (/^(?:CERT_|ERR_TLS|ERR_SSL|UNABLE_|SELF_SIGNED|DEPTH_)/.test(code) || code === 'EPROTO')
    return [
      `TLS fails: ${code}`,
      'correct tls (caFile, serverName, certFile) of the upstream, or the certificate there',
    ];
  if (code === 'ECONNRESET' || code.startsWith('HPE_'))
    return [
      `takes a connection, and then gives no HTTP response (${code})`,
      'look whether it speaks HTTPS, or is another service',
    ];
  return [`cannot be connected to (${code})`, 'start it, or correct host and port in targets'];
}

function lookAtCertificate(socket: IncomingMessage['socket'], findings: Findings): void {
  const certificate = 'getPeerCertificate' in socket ? (socket as TLSSocket).getPeerCertificate() : undefined;
  if (certificate?.valid_to === undefined) return;
  const left = Date.parse(certificate.valid_to) - Date.now();
  if (left < SOON_MS) findings.warn(`its certificate ends on ${certificate.valid_to}`, 'have it renewed');
}

function lookAtClock(date: string | undefined, requestedAt: number, findings: Findings): void {
  const theirs = Date.parse(date ?? '');
  if (Number.isNaN(theirs)) return;
  // Its own has whole seconds, and the response took a while.
  const skew = theirs < requestedAt - 1000 ? theirs - requestedAt : Math.max(0, theirs - Date.now());
  if (Math.abs(skew) > MAX_SKEW_MS)
    findings.warn(
      `its clock is ${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? 'ahead of' : 'behind'} ours`,
      'let both follow a time server: tokens, signatures and caches depend on it',
    );
}
