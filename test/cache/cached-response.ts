import { NO_DIRECTIVES } from '../../src/cache/directives.ts';
import { writeHttpDate } from '../../src/cache/http-date.ts';
import type { RequestTraits, Storability, StoreSettings } from '../../src/cache/storability.ts';
import { judgeStorability } from '../../src/cache/storability.ts';
import { HeaderList } from '../../src/core/header-list.ts';
import type { ReuseRules } from '../../src/core/stores/cache-store.ts';

/** When the responses of these tests come. */
export const NOW = Date.UTC(2026, 11, 1, 12);

export const SETTINGS: StoreSettings = {
  maxAgeMs: undefined,
  override: false,
  heuristic: false,
  private: false,
  statuses: undefined,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
};

export const ANYBODY: RequestTraits = {
  isIdentified: false,
  hasAuthorization: false,
  hasCookies: false,
  callerFields: [],
  directives: NO_DIRECTIVES,
};
export const ANN: RequestTraits = { ...ANYBODY, isIdentified: true };

export type Fields = Readonly<Record<string, string | readonly string[]>>;

export function headersOf(fields: Fields): HeaderList {
  return HeaderList.from(
    Object.entries(fields).flatMap(([name, values]) =>
      [values].flat().map((value): [string, string] => [name, value as string]),
    ),
  );
}

export interface Judged {
  readonly status?: number;
  readonly requestTraits?: RequestTraits;
  readonly settings?: Partial<StoreSettings>;
}

/** Judges a response that comes a moment after it was asked for, with a `Date` of now unless the fields have one. */
export function judge(
  fields: Fields,
  { status = 200, requestTraits = ANYBODY, settings = {} }: Judged = {},
): Storability {
  const headers = headersOf({ date: writeHttpDate(NOW), ...fields });
  const times = { requestTime: NOW, responseTime: NOW };
  return judgeStorability({ status, headers }, requestTraits, times, { ...SETTINGS, ...settings });
}

export function rulesOf(fields: Fields, judged?: Judged): ReuseRules {
  const found = judge(fields, judged);
  if (!found.isStorable) throw new Error(`is not stored: ${found.reason}`);
  return found.rules;
}
