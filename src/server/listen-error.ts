/** Says why a port could not be opened, and what to do about it. */
export function explainListenError(error: Error, host: string, port: number): Error {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const why = REASONS[code] ?? error.message;
  return Object.assign(new Error(`cannot listen on ${address}: ${why}`, { cause: error }), { code, port });
}

const UNKNOWN_NAME = 'the host name is not known — write an address of this machine, or 0.0.0.0 for all';

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use — stop the process that has it, or choose another port',
  EACCES: 'ports below 1024 need a privilege — choose a higher port, or grant CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'this machine has no such address — write one that it has, or 0.0.0.0 for all',
  EAFNOSUPPORT: 'this machine does not speak IPv6 — write an IPv4 address, or 0.0.0.0 for all',
  ENOTFOUND: UNKNOWN_NAME,
  EAI_AGAIN: UNKNOWN_NAME,
};
