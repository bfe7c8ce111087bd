import { fc } from '../support/fast-check.ts';

/** A request as it is sent, and to which of the gateway's listeners. */
export interface RandomRequest {
  readonly bytes: string;
  /** Of the reader that it is for. */
  readonly reader: string;
  readonly isPermissive: boolean;
  /** Whether the gateway takes its peer for a proxy that it trusts. */
  readonly isTrusted: boolean;
}

const PATHS = [
  ...['/admin', '/admin/x', '/admin/users/7', '/login', '/v1/items:purge', '/users/@root', '/users/bob'],
  ...['/me', '/', '/public', '/public/a'],
];
const BEFORE = [
  '',
  '',
  '',
  '',
  '/.',
  '/',
  '/public/..',
  '/public/%2e%2e',
  '/public/%2E.',
  '/a/b/../..',
  '/public/..;',
];
const BETWEEN = [
  '/',
  '/',
  '/',
  '/',
  '/',
  '/',
  '//',
  '/./',
  '/%2e/',
  '/x/../',
  '/x/%2e%2e/',
  '%2F',
  '%5c',
  '\\\\',
  ';a=1/',
  '/;/',
];
const BEHIND = [
  '',
  '',
  '',
  '',
  '',
  '/',
  '/',
  '//',
  '/.',
  '.',
  '.json',
  ';x=1',
  '%00',
  '%20',
  '%2F',
  '/x/..',
  '?',
  '?q=1',
  '?a=/../b',
];

/** How one character is written, by a number. */
function spellCharacter(character: string, choice: number): string {
  const hex = character.charCodeAt(0).toString(16).padStart(2, '0');
  if (choice === 0) return `%${hex}`;
  if (choice === 1) return `%${hex.toUpperCase()}`;
  if (choice === 2)
    return character === character.toUpperCase() ? character.toLowerCase() : character.toUpperCase();
  if (choice === 3) return `%25${hex}`;
  return character;
}

/** Of most requests a few characters are spelt otherwise, of some all, of some none. */
const choices = fc.oneof(
  fc.constant([]),
  fc.array(fc.nat({ max: 30 }), { minLength: 20, maxLength: 20 }),
  fc.constantFrom(...[0, 1, 2].map((choice) => Array.from({ length: 20 }, () => choice))),
);

const path = fc
  .tuple(
    ...([fc.constantFrom(...PATHS), fc.constantFrom(...BEFORE), fc.constantFrom(...BEHIND)] as const),
    choices,
    fc.array(fc.constantFrom(...BETWEEN), { minLength: 4, maxLength: 4 }),
  )
  .map(([plain, before, behind, picks, between]) => {
    const segments = plain.slice(1).split('/');
    const spelled = segments.map((segment) =>
      [...segment].map((character, i) => spellCharacter(character, picks[i] ?? 30)).join(''),
    );
    const text = spelled.map((segment, i) => (i === 0 ? segment : `${between[i - 1]}${segment}`)).join('');
    return `${before}/${text}${behind}`;
  });

function hostOf(reader: string) {
  return fc
    .tuple(
      fc.constantFrom('', '', '', 'loose.', 'loose.', 'inner.', 'INNER.', 'Inner.', 'other.'),
      fc.constantFrom('', '', '', '', '.', ':80', ':', '.:8080'),
      fc.boolean(),
    )
    .map(([before, behind, isUpper]) => {
      const name = `${reader}.test`;
      return `${before}${isUpper ? name.toUpperCase() : name}${behind}`;
    });
}

const FIELDS = (reader: string): readonly string[] => [
  ...[
    `X-Forwarded-Host: inner.${reader}.test`,
    `X-Forwarded-Host: ${reader}.test`,
    'X-Forwarded-Proto: https',
  ],
  ...[
    `Forwarded: host=inner.${reader}.test;proto=https`,
    'X-Forwarded-Prefix: /admin',
    'X-Forwarded-For: 10.0.0.1',
  ],
  ...[
    'X-Original-URL: /admin/x',
    'X-Rewrite-URL: /admin/x',
    'X_Original_URL: /admin/x',
    'X-Original-Url: /me',
  ],
  ...[
    'X-HTTP-Method-Override: POST',
    'X-Method-Override: POST',
    'X-HTTP-Method: POST',
    'X-Http-Method-Override: GET',
  ],
  ...['X-Ran: admin', 'X-Route: admin', 'X_Ran: admin', 'X-Auth-Subject: root', 'X_Auth_Subject: root'],
  ...[
    'Connection: X-Ran',
    'Connection: Authorization',
    'Connection: X-Auth-Subject, X-Route',
    'Authorisation: x',
  ],
];

/** Any request to one of `readers`, with the credentials of `tokens`. */
export function randomRequest(
  readers: readonly string[],
  tokens: readonly string[],
): fc.Arbitrary<RandomRequest> {
  const credential = fc.constantFrom(...tokens).map((token) => `Authorization: Bearer ${token}`);
  const one = (reader: string) =>
    fc
      .record({
        method: fc.constantFrom('GET', 'GET', 'POST', 'PUT'),
        path,
        host: hostOf(reader),
        form: fc.constantFrom('origin', 'origin', 'origin', 'absolute', 'absolute'),
        hosts: fc.array(hostOf(reader), { maxLength: 1 }),
        fields: fc.subarray([...FIELDS(reader)], { maxLength: 3 }),
        credentials: fc.oneof(fc.constant([]), fc.array(credential, { minLength: 1, maxLength: 2 })),
        isPermissive: fc.boolean(),
        isTrusted: fc.boolean(),
      })
      .map(({ method, path, host, form, hosts, fields, credentials, ...rest }): RandomRequest => {
        const isAbsolute = form === 'absolute';
        const target = isAbsolute ? `http://${host}${path}` : path;
        const named = isAbsolute
          ? hosts.length === 0
            ? [host]
            : hosts
          : [host, ...(method === 'PUT' ? hosts : [])];
        const lines = [
          ...named.map((name) => `Host: ${name}`),
          ...fields,
          ...credentials,
          'Content-Length: 0',
        ];
        const head = `${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}`;
        return { bytes: `${head}\r\nConnection: close\r\n\r\n`, reader, ...rest };
      });
  return fc.oneof(...readers.map(one));
}
