import { decodePath } from './path-spelling.ts';

/** A route that takes the request, and what its parameters stand for. */
export class RouteMatch<T> {
  readonly kind = 'match';
  readonly value: T;
  /** The parameters' values in the order of their names, spelt as in the path: what a rewrite puts in. */
  readonly rawParams: readonly string[];
  private readonly names: readonly string[];
  private decoded: Readonly<Record<string, string>> | undefined;

  constructor(value: T, names: readonly string[], rawParams: readonly string[]) {
    this.value = value;
    this.names = names;
    this.rawParams = rawParams;
    this.decoded = names.length === 0 ? NO_PARAMS : undefined;
  }

  /** The parameters by name, percent-decoded: what policies read. Made when first asked for. */
  get params(): Readonly<Record<string, string>> {
    this.decoded ??= decodeParams(this.names, this.rawParams);
    return this.decoded;
  }
}

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({});

function decodeParams(names: readonly string[], rawParams: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (let i = 0; i < names.length; i++) {
    const raw = rawParams[i] as string;
    params[names[i] as string] = raw.includes('%') ? decodePath(raw) : raw;
  }
  return params;
}
