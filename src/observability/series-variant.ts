/** The methods that have a label of their own; all others share `_OTHER`, so that clients cannot make up series. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;
const METHOD_INDEX: ReadonlyMap<string, number> = new Map(METHODS.map((method, i) => [method, i]));
const STRIDE = 1000;

/** What stands for the status of an exchange that has none: its client left before there was one. */
const NO_STATUS = 499;

/** Makes one number of method and status, so that no string is built for each request. */
export function variantOf(method: string, status: number): number {
  return (METHOD_INDEX.get(method) ?? METHODS.length) * STRIDE + knownStatus(status);
}

/** Brings a status that is invalid, such as 0, into the range of statuses. */
export function knownStatus(status: number): number {
  return status >= 100 && status <= 599 ? status : NO_STATUS;
}

/** Gives the labels for a number that `variantOf` made. */
export function variantLabels(variant: number): { readonly method: string; readonly status: string } {
  const method = METHODS[Math.floor(variant / STRIDE)] ?? '_OTHER';
  return { method, status: String(variant % STRIDE) };
}
