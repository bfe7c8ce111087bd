import { asFields, type Fields } from '../../findings.ts';

/** Which spellings of its path a route takes beside the one that is written. */
export interface RouteMatching {
  readonly isCaseSensitive: boolean;
  /** Whether a slash at the end counts. */
  readonly isSlashExact: boolean;
}

/** Reads what a route says about spellings, or else `paths` for all. */
export function readMatching(route: Fields, gateway: Fields): RouteMatching {
  const common = asFields(gateway.paths);
  return {
    isCaseSensitive: (route.caseSensitive ?? common.caseSensitive) !== false,
    isSlashExact: (route.trailingSlash ?? common.trailingSlash) !== 'same',
  };
}

/** Gives texts of paths that differ only in case one form, as the router does. */
export function foldText(text: string): string {
  return decodeURIComponent(text).toUpperCase().toLowerCase();
}
