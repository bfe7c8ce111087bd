/** What decides between routes whose host and path match a request equally well. */
export interface Precedence {
  /** `undefined` takes every method. */
  readonly methods: readonly string[] | undefined;
  readonly headers: readonly unknown[];
  readonly query: readonly unknown[];
  readonly order: number;
}

/**
 * Orders routes of one host and path as the Kubernetes Gateway API does for HTTPRoute: those that name methods first,
 * then more header conditions, then more query conditions, then the one written first. (Host and path come before;
 * their order is the order in which the router walks.)
 */
export function comparePrecedence(a: Precedence, b: Precedence): number {
  return (
    Number(b.methods !== undefined) - Number(a.methods !== undefined) ||
    b.headers.length - a.headers.length ||
    b.query.length - a.query.length ||
    a.order - b.order
  );
}

/** Puts `item` into a list that is in order of precedence, and keeps it so. */
export function insertByPrecedence<T extends Precedence>(list: T[], item: T): void {
  let at = list.length;
  while (at > 0 && comparePrecedence(list[at - 1] as T, item) > 0) at--;
  list.splice(at, 0, item);
}
