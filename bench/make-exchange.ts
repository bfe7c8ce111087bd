import { EMPTY_BODY } from '../src/core/body.ts';
import { Exchange } from '../src/core/exchange.ts';
import { HeaderList, markField } from '../src/core/header-list.ts';

/** Makes the exchange of a request with an ordinary head and one field more, as it comes off a socket. */
export function makeExchange(name: string, value: string): Exchange {
  const fields = [
    ['host', 'api.example.com'],
    ['user-agent', 'bench'],
    ['accept', '*/*'],
    [name, value],
    ['accept-encoding', 'gzip'],
  ] as const;
  let raw = '';
  const marks: number[] = [];
  for (const [field, text] of fields) {
    const [start, end] = [raw.length, raw.length + field.length];
    raw += `${field}: ${text}\r\n`;
    markField(marks, marks.length, raw, start, end, end + 2, end + 2 + text.length);
  }
  // One flat string, as it comes off a socket.
  const headers = HeaderList.received(Buffer.from(raw, 'latin1').toString('latin1'), raw.length, marks);
  const client = {
    remoteAddress: '127.0.0.1',
    remotePort: 1,
    localPort: 1,
    isSecure: false,
    serverName: undefined,
  };
  return new Exchange(
    {
      method: 'GET',
      target: '/',
      httpVersion: '1.1',
      authority: 'api.example.com',
      headers,
      body: EMPTY_BODY,
      upgrade: undefined,
      acceptsTrailers: false,
      client,
    },
    0,
  );
}
