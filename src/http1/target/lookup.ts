import { lookUpName } from '../../core/network/name-lookup.ts';

/** Finds the addresses of a host, at least one, in the order in which they should be tried. */
export type Lookup = (
  host: string,
  onFound: (error: Error | undefined, addresses: readonly string[]) => void,
) => void;

/** Asks as the system would, which knows of `/etc/hosts` and the name servers. */
export const systemLookup: Lookup = (host, onFound) => {
  lookUpName(host, { all: true }, (error, found) => {
    const all = Array.isArray(found) ? found : [];
    onFound(
      error ?? undefined,
      all.map(({ address }) => address),
    );
  });
};
