import { isSecretName, REDACTED } from '../core/fields/secret-names.ts';
import { redactText } from './redact-text.ts';

const MAX_DEPTH = 8;
const MAX_ITEMS = 100;

/** Copies the fields of a log line as plain data, without secrets, cycles or anything that JSON cannot hold. */
export function redactFields(fields: object): Record<string, unknown> {
  if (fields instanceof Error) return { err: redactValue(fields, new Set()) };
  const plain = redactValue(fields, new Set());
  return isRecord(plain) ? plain : { value: plain };
}

/** Describes an error with its causes as plain data, without secrets. */
export function describeError(error: unknown): unknown {
  return redactValue(error, new Set());
}

function redactValue(value: unknown, parents: Set<object>): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (parents.has(value)) return '[circular]';
  if (parents.size >= MAX_DEPTH) return '[too deep]';
  parents.add(value);
  try {
    return redactObject(value, parents);
  } catch {
    // A getter or an iterator that throws must not stop the line from being logged.
    return '[unreadable]';
  } finally {
    parents.delete(value);
  }
}

function redactObject(value: object, parents: Set<object>): unknown {
  if (value instanceof Error) return redactError(value, parents);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof URL) return redactText(value.href);
  if (Array.isArray(value)) return redactList(value, parents);
  if ('toJSON' in value && typeof value.toJSON === 'function') return redactValue(value.toJSON(), parents);
  // Map, Headers, URLSearchParams, HeaderList: pairs of name and value.
  if (Symbol.iterator in value) return redactList([...take(value as Iterable<unknown>)], parents);
  return redactRecord(value, parents);
}

function redactError(error: Error, parents: Set<object>): Record<string, unknown> {
  const { name: _, ...own } = redactRecord(error, parents);
  const type = redactText(String(error.name));
  const described: Record<string, unknown> = { type, message: redactText(String(error.message)) };
  if (error.stack) described.stack = redactText(String(error.stack));
  Object.assign(described, own);
  if (error.cause !== undefined) described.cause = redactValue(error.cause, parents);
  if (error instanceof AggregateError) described.errors = redactValue(error.errors, parents);
  return described;
}

function redactRecord(record: object, parents: Set<object>): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  const isNamedSecret = namesSecret(record);
  for (const [name, value] of Object.entries(record)) {
    const isSecret = isSecretName(name) || (isNamedSecret && name.toLowerCase() === 'value');
    copy[redactText(name)] = isSecret && value !== undefined ? REDACTED : redactValue(value, parents);
  }
  return copy;
}

/** Tells whether an object is a pair such as `{ name: 'Cookie', value: '…' }`. */
function namesSecret(record: object): boolean {
  return Object.entries(record).some(
    ([key, name]) =>
      /^(?:name|key|header|field)$/i.test(key) && typeof name === 'string' && isSecretName(name),
  );
}

/** Redacts a list; an item behind a secret's name is a secret, whether in pairs or in a flat list of headers. */
function redactList(items: readonly unknown[], parents: Set<object>): unknown[] {
  const copy: unknown[] = [];
  for (let i = 0; i < Math.min(items.length, MAX_ITEMS); i++) {
    const before = items[i - 1];
    const isSecret = typeof before === 'string' && isSecretName(before);
    copy.push(isSecret ? REDACTED : redactValue(items[i], parents));
  }
  if (items.length > MAX_ITEMS) copy.push(`[${items.length - MAX_ITEMS} more]`);
  return copy;
}

function* take(items: Iterable<unknown>): Generator<unknown> {
  let left = MAX_ITEMS + 1;
  for (const item of items) {
    if (left-- === 0) return;
    yield item;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
