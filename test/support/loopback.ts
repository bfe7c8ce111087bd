import { createServer } from 'node:net';

/**
 * The address that servers of this process listen on.
 *
 * Test files run at a time, each in a process of its own. On a shared address, a port that one of them gave back is
 * the next one's, and whoever still knocks there, because nobody should answer, gets a stranger's answer, or is a
 * stranger in the other's books. Connections to it come from 127.0.0.1. macOS has no other address than that.
 */
export const LOOPBACK = process.platform === 'darwin' ? '127.0.0.1' : addressOf(process.pid);

// Below the ports that the system gives to servers on port 0, and to clients; apart from those of other processes where
// the address is shared.
let nextPort = 11_000 + (process.pid % 100) * 200;

/** Finds a port that nobody in this process gets but who asked for it, for what cannot take port 0. */
export async function reservePort(): Promise<number> {
  for (;;) {
    const port = nextPort++;
    if (await isFree(port)) return port;
  }
}

/** A target that is not there: connections are refused, and never get through to somebody else. */
export async function reserveNobody(): Promise<{ readonly port: number; readonly url: string }> {
  const port = await reservePort();
  return { port, url: `http://${LOOPBACK}:${port}` };
}

/** Lets all that the text of a configuration opens, in YAML or TypeScript, listen on `LOOPBACK` and port 0. */
export function listenOnLoopback(text: string): string {
  return text
    .replaceAll(
      /^( *- )port: \d+/gm,
      (_, dash) => `${dash}host: ${LOOPBACK}\n${' '.repeat(dash.length)}port: 0`,
    )
    .replaceAll(/\{ port: \d+/g, `{ host: '${LOOPBACK}', port: 0`);
}

/** Processes have ids of up to 22 bits, which is the half of 127.0.0.0/8 around its middle. */
function addressOf(pid: number): string {
  return `127.${64 + ((pid >>> 16) & 63)}.${(pid >>> 8) & 255}.${pid & 255}`;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, LOOPBACK, () => server.close(() => resolve(true)));
  });
}
