import type { Exchange } from '../core/exchange.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { JsonValue } from './json-value.ts';

/** What is known of a part of a response. All is left out for a part that gave nothing. */
export interface PartValue {
  readonly status?: number | undefined;
  readonly headers?: HeaderList | undefined;
  readonly body?: JsonValue | undefined;
  /** Whether it was stored, so that nobody was asked. */
  readonly isCached?: boolean;
}

/** Where references find their values: the request, the parts that there are by now, and the element that is on. */
export class TemplateScope {
  readonly exchange: Exchange;
  readonly parts: ReadonlyMap<string, PartValue>;
  /** The element of a list, where a template is filled for each. */
  readonly item: JsonValue | undefined;
  /** The body of the request, where somebody has read it. */
  readonly body: JsonValue | undefined;
  /** The response that is changed, for `transform`. */
  readonly response: PartValue | undefined;
  private parsedQuery: URLSearchParams | undefined = undefined;

  constructor(
    exchange: Exchange,
    parts: ReadonlyMap<string, PartValue> = NO_PARTS,
    {
      item,
      body,
      response,
    }: { item?: JsonValue; body?: JsonValue | undefined; response?: PartValue | undefined } = {},
  ) {
    this.exchange = exchange;
    this.parts = parts;
    this.item = item;
    this.body = body;
    this.response = response;
  }

  get query(): URLSearchParams {
    this.parsedQuery ??= new URLSearchParams(this.exchange.query);
    return this.parsedQuery;
  }

  /** Makes the scope of one element of a list. */
  withItem(item: JsonValue): TemplateScope {
    const scope = new TemplateScope(this.exchange, this.parts, {
      item,
      body: this.body,
      response: this.response,
    });
    scope.parsedQuery = this.parsedQuery;
    return scope;
  }
}

const NO_PARTS: ReadonlyMap<string, PartValue> = new Map();
