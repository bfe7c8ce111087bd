import type { HeaderList } from '../core/header-list.ts';
import type { ResponseHead } from '../core/message.ts';
import { createUsageReader, type UsageReader } from './usage-reader.ts';

/** Where the units of a request are read off its response. */
export type UsageCost =
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'json'; readonly path: readonly string[] };

/** More units than that, the largest quota there is, are not believed: nobody could ever pay them back. */
const MOST_UNITS = 1_000_000_000_000;

/** Reads whole units; `undefined` for what are none. */
export function readUnits(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,12}$/.test(text)) return undefined;
  return Math.min(MOST_UNITS, Number(text));
}

/** Takes care that the response can be read. */
export function prepareForUsage(cost: UsageCost, headers: HeaderList): void {
  if (cost.kind === 'json') headers.delete('accept-encoding');
}

/** Says how to learn the units from a response: they are there, they are in its body, or there are none. */
export function findUsage(cost: UsageCost, { headers }: ResponseHead): number | UsageReader | undefined {
  if (cost.kind === 'header') return readUnits(headers.get(cost.name));
  const coding = headers.get('content-encoding');
  if (coding !== undefined && coding.toLowerCase() !== 'identity') return undefined;
  return createUsageReader(headers.get('content-type') ?? '', cost.path);
}

/** Makes units of a number out of JSON. */
export function unitsOf(value: unknown): number | undefined {
  if (typeof value !== 'number' || !(value >= 0)) return undefined;
  return Math.min(MOST_UNITS, Math.ceil(value));
}
