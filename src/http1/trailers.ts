import { HeaderList } from '../core/header-list.ts';

/** Fields that mean something only before the body, or that only we may say (RFC 9110 §6.5.1). */
const NOT_IN_TRAILERS: ReadonlySet<string> = new Set(
  (
    'age authorization cache-control connection content-encoding content-length content-range content-type cookie date ' +
    'expect expires forwarded host if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive ' +
    'location max-forwards pragma proxy-authenticate proxy-authorization proxy-connection range retry-after set-cookie ' +
    'te trailer transfer-encoding upgrade vary via www-authenticate x-forwarded-for x-forwarded-host ' +
    'x-forwarded-port x-forwarded-proto x-real-ip x-request-id'
  ).split(' '),
);

/** Makes the trailer section of names and values by turns, without the fields that may not stand there. */
export function readTrailers(parts: readonly string[]): HeaderList | undefined {
  const list = HeaderList.from();
  let isEmpty = true;
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const name = parts[i] as string;
    if (!mayStandInTrailers(name)) continue;
    list.append(name, (parts[i + 1] as string).trim());
    isEmpty = false;
  }
  return isEmpty ? undefined : list;
}

function mayStandInTrailers(name: string): boolean {
  const key = name.toLowerCase().replaceAll('_', '-');
  return !NOT_IN_TRAILERS.has(key) && !key.startsWith('x-auth-') && !key.startsWith('access-control-');
}
