import type { RouteConfig } from '../config/schema/schema.ts';
import { HeaderList } from '../core/header-list.ts';
import type { Identity } from '../core/identity/identity.ts';
import type { PolicyInstance } from '../core/policy.ts';
import type { UpstreamSender } from '../core/services.ts';
import { type Condition, compileCondition } from '../template/condition.ts';
import { compileJson } from '../template/json-template.ts';
import { JsonValue } from '../template/json-value.ts';
import { compileField, compileParameter, compilePath, compileWhole } from '../template/places.ts';
import type { Reference, TemplateNames } from '../template/reference.ts';
import type { TemplateScope } from '../template/scope.ts';
import type { PartCounts } from './part-counts.ts';

export type AggregateConfig = NonNullable<RouteConfig['aggregate']>;
export type PartConfig = AggregateConfig['parts'][string];

/** An upstream that parts are asked of. */
export interface PartUpstream {
  readonly name: string;
  readonly sender: UpstreamSender;
  /** Milliseconds until a head is due; infinite where the upstream says nothing. */
  readonly responseTimeoutMs: number;
  /** Puts a token of the gateway for this upstream into a header, where `internalTokens` are configured. */
  readonly writeToken: ((headers: HeaderList, identity: Identity) => Promise<void> | undefined) | undefined;
}

/** Where responses for a part are kept: one use of the policy `cache`. */
export type PartCache = Pick<PolicyInstance, 'onRequest' | 'onResponse' | 'onFinish'>;

/** What a part asks for, filled in. */
export interface PartRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: HeaderList;
  readonly body: string | undefined;
}

/** A part of a response, as compiled. */
export interface Part {
  readonly name: string;
  readonly upstream: PartUpstream;
  /** The parts that have to be there before. */
  readonly needs: readonly string[];
  readonly isOptional: boolean;
  readonly fallback: JsonValue | undefined;
  readonly timeoutMs: number;
  readonly format: PartConfig['format'];
  readonly maxBodyBytes: number;
  readonly sendsIdentity: boolean;
  readonly cache: PartCache | undefined;
  readonly when: Condition | undefined;
  /** The list for each of whose elements it is asked. */
  readonly list: PartList | undefined;
  readonly counts: PartCounts;
  /** Throws `UnfilledError`. */
  render(scope: TemplateScope): PartRequest;
}

export interface PartList {
  readonly of: Reference;
  readonly concurrency: number;
  readonly maxItems: number;
}

const CONCURRENCY = 4;
const MAX_ITEMS = 50;

/** What a part may refer to, and what it is made with. */
export interface PartPlace {
  readonly names: TemplateNames;
  readonly upstream: PartUpstream;
  readonly counts: PartCounts;
  /** Makes where responses are kept for `maxAgeMs`, apart for each value of these headers. */
  openCache(maxAgeMs: number, headers: readonly string[]): PartCache;
}

/** Compiles a part. Throws `TemplateError` for what the check of the configuration would have found. */
export function compilePart(name: string, config: PartConfig, place: PartPlace): Part {
  const { names, upstream, counts } = place;
  const needs = new Set<string>();
  const noting: TemplateNames = {
    ...names,
    onReference(reference) {
      if (reference.part !== undefined) needs.add(reference.part);
      names.onReference?.(reference);
    },
  };
  const of = config.forEach === undefined ? undefined : compileWhole(config.forEach, noting);
  const when = config.when === undefined ? undefined : compileCondition(config.when, noting);
  const ofItem: TemplateNames = of === undefined ? noting : { ...noting, item: config.as, itemPart: of.part };
  const { concurrency = CONCURRENCY, maxItems = MAX_ITEMS } = config;
  const render = compileRequest(config, ofItem);
  return {
    name,
    upstream,
    needs: [...needs],
    isOptional: config.optional,
    fallback: config.fallback === undefined ? undefined : JsonValue.of(config.fallback),
    timeoutMs: config.timeout ?? Number.POSITIVE_INFINITY,
    format: config.format,
    maxBodyBytes: config.maxBody,
    sendsIdentity: config.identity,
    cache:
      config.cache === undefined
        ? undefined
        : place.openCache(config.cache, Object.keys(lowerCased(config.headers))),
    when,
    list: of && { of, concurrency, maxItems },
    counts,
    render,
  };
}

function compileRequest(
  { method, path, query, headers, body, format }: PartConfig,
  names: TemplateNames,
): Part['render'] {
  const pathOf = compilePath(path, names);
  const parameters = Object.entries(query).map(([name, value]) => compileParameter(name, value, names));
  const written = { ...DEFAULTS[format], ...(body !== undefined && JSON_BODY), ...lowerCased(headers) };
  const fields = Object.entries(written).map(([name, value]) => ({
    name,
    fill: compileField(value, names),
  }));
  const bodyOf = body === undefined ? undefined : compileJson(body, names);
  return (scope) => {
    const start = pathOf(scope);
    const more = parameters
      .map((parameter) => parameter(scope))
      .filter((one) => one !== '')
      .join('&');
    const list = HeaderList.from();
    for (const { name, fill } of fields) {
      const value = fill(scope);
      if (value !== undefined) list.append(name, value);
    }
    return { method, path: withQuery(start, more), headers: list, body: bodyOf && (bodyOf(scope) ?? 'null') };
  };
}

const DEFAULTS = { json: { accept: 'application/json' }, text: { accept: 'text/*' } } as const;
const JSON_BODY = { 'content-type': 'application/json' } as const;

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function withQuery(path: string, query: string): string {
  if (query === '') return path;
  return `${path}${path.includes('?') ? '&' : '?'}${query}`;
}
