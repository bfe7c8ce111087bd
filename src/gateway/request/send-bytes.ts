import type { ClientSink } from '../../core/message.ts';

/** Sends a body that is in memory as a whole. Its end is told when all of it was handed to the system. */
export function sendBytes(bytes: Uint8Array, client: ClientSink): void {
  if (client.write(bytes)) return client.end();
  client.onDrain = () => {
    client.onDrain = undefined;
    client.end();
  };
}
