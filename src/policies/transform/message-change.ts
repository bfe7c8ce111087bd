import type { HeaderList } from '../../core/header-list.ts';
import type { Services } from '../../core/services.ts';
import { type Condition, compileCondition } from '../../template/condition.ts';
import { compileJson, type JsonTemplate } from '../../template/json-template.ts';
import { compileField } from '../../template/places.ts';
import type { Reference, TemplateNames } from '../../template/reference.ts';
import type { TemplateScope } from '../../template/scope.ts';
import type { MessageChanges } from './transform-options.ts';

/** What is changed of a request or of a response, as compiled. */
export interface MessageChange {
  readonly when: Condition | undefined;
  /** Whether the condition can be judged before the body of this message is there. */
  readonly isJudgedEarly: boolean;
  readonly body: JsonTemplate | undefined;
  /** Whether the body of this message is read: it is replaced, or something depends on it. */
  readonly readsBody: boolean;
  /** Whether a response depends on the body of the request. */
  readonly readsRequestBody: boolean;
  /** Whether it gives what is known of the caller alone. */
  readonly isPersonal: boolean;
  /** Request headers that it depends on. */
  readonly varyBy: readonly string[];
  /** Writes the headers. Throws `UnfilledError`. */
  changeHeaders(list: HeaderList, scope: TemplateScope): void;
}

/** What is changed of a response, as compiled. */
export interface ResponseChange {
  readonly change: MessageChange;
  readonly status: number | undefined;
}

/** What one use of the policy works with. */
export interface TransformSettings {
  readonly request: MessageChange | undefined;
  readonly response: ResponseChange | undefined;
  readonly passesUnsupported: boolean;
  readonly maxBody: number;
  readonly maxDepth: number;
  readonly bufferBody: Services['bufferBody'] | undefined;
  readonly holdBytes: Services['holdBytes'] | undefined;
}

/** What the templates of a request may refer to. */
export function requestNames(params: readonly string[] | undefined): TemplateNames {
  return { params, hasBody: true };
}

/** What the templates of a response may refer to. */
export function responseNames(params: readonly string[] | undefined): TemplateNames {
  return { params, hasBody: true, hasResponse: true };
}

/** Compiles what is changed. Throws `TemplateError` for what the check of the configuration would have found. */
export function compileChange(changes: MessageChanges, names: TemplateNames): MessageChange {
  const isOwnBody = (reference: Reference): boolean =>
    names.hasResponse === true ? isResponseBody(reference) : reference.root === 'body';
  const [whenUses, given]: [Reference[], Reference[]] = [[], []];
  const noting = (into: Reference[]): TemplateNames => ({
    ...names,
    onReference: (reference) => void into.push(reference),
  });
  const when = changes.when === undefined ? undefined : compileCondition(changes.when, noting(whenUses));
  const body = changes.body === undefined ? undefined : compileJson(changes.body, noting(given));
  const fields = Object.entries(changes.headers).map(([name, value]) => ({
    name,
    fill: value === null ? undefined : compileField(value, noting(given)),
  }));
  const uses = [...whenUses, ...given];
  return {
    when,
    isJudgedEarly: !whenUses.some((use) => isOwnBody(use) || use.root === 'response' || use.root === 'body'),
    body,
    readsBody: body !== undefined || uses.some(isOwnBody),
    readsRequestBody: names.hasResponse === true && uses.some(({ root }) => root === 'body'),
    isPersonal: uses.some(({ root }) => PERSONAL.has(root)),
    varyBy: [...new Set(uses.filter(({ root }) => root === 'headers').map(nameOfHeader))],
    changeHeaders(list, scope) {
      // All is filled before anything is written, so that one may take the name that another one gives up.
      const values = fields.map(({ name, fill }) => [name, fill?.(scope)] as const);
      for (const [name, value] of values)
        if (value === undefined) list.delete(name);
        else list.set(name, value);
    },
  };
}

const PERSONAL: ReadonlySet<string> = new Set(['claims', 'subject', 'requestId']);

function isResponseBody({ root, text }: Reference): boolean {
  return root === 'response' && /^response(?:\.body|\["body"\]|\['body'\])/.test(text);
}

function nameOfHeader({ text }: Reference): string {
  return text
    .replace(/^headers(?:\.|\[["'])/, '')
    .replace(/["']\]$/, '')
    .toLowerCase();
}
