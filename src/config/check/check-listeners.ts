import { asFields, asList, type Fields, type Findings } from '../findings.ts';
import { type ConfigPath, formatPath } from '../problem.ts';

interface Address {
  readonly path: ConfigPath;
  readonly host: string;
  readonly port: number;
}

const ANY_HOST = new Set(['0.0.0.0', '::']);

/** Checks that listeners do not take each other's port, and that redirects to HTTPS can lead there. */
export function checkListeners(gateway: Fields, findings: Findings): void {
  const listeners = asList(gateway.listeners).map(asFields);
  for (const [i, listener] of listeners.entries()) checkRedirectToHttps(listener, ['listeners', i], findings);
  checkPorts(
    [
      ...listeners.map((listener, i) => readAddress(listener, ['listeners', i], '0.0.0.0')),
      readAddress(asFields(gateway.admin), ['admin'], '127.0.0.1', 9901),
      ...(gateway.status === undefined
        ? []
        : [readAddress(asFields(gateway.status), ['status'], '0.0.0.0', 9902)]),
    ],
    findings,
  );
}

function checkRedirectToHttps(listener: Fields, path: ConfigPath, findings: Findings): void {
  const { redirectToHttps, tls, port } = listener;
  if (redirectToHttps === undefined) return;
  const at = [...path, 'redirectToHttps'];
  if (tls !== undefined) {
    findings.reject(at, 'has no meaning on a listener that has tls — put it on the plain one');
  } else if (redirectToHttps === port && port !== 0) {
    findings.reject(at, 'leads back to this listener — write the port of the listener that has tls');
  }
}

function readAddress(fields: Fields, path: ConfigPath, anyHost: string, usual?: number): Address | undefined {
  const { host = anyHost, port = usual } = fields;
  return typeof host === 'string' && typeof port === 'number' ? { path, host, port } : undefined;
}

/** Port 0 is another one each time; a wildcard address takes the port on every other. */
function checkPorts(addresses: readonly (Address | undefined)[], findings: Findings): void {
  const byPort = new Map<number, Address[]>();
  for (const address of addresses) {
    if (address === undefined || address.port === 0) continue;
    const others = byPort.get(address.port) ?? [];
    const other = others.find(
      ({ host }) => host === address.host || ANY_HOST.has(host) || ANY_HOST.has(address.host),
    );
    byPort.set(address.port, [...others, address]);
    if (other === undefined) continue;
    const at = [...address.path, 'port'];
    findings.reject(at, `is taken by ${formatPath(other.path)} already — choose another port`);
  }
}
