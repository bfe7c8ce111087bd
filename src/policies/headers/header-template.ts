import type { Exchange } from '../../core/exchange.ts';

/** A text with placeholders, compiled: what it says for one exchange. */
export type Template = (exchange: Exchange) => string;

const PLACEHOLDER = /\{([A-Za-z][A-Za-z0-9_.*-]*)\}/;

const VALUES: Readonly<Record<string, Template>> = {
  requestId: (exchange) => exchange.requestId,
  clientAddress: (exchange) => exchange.clientAddress,
  host: (exchange) => exchange.host,
  scheme: (exchange) => exchange.scheme,
};

/** Says which placeholder of `text` does not exist, with the remedy behind ' — ', or nothing. */
export function findTemplateFault(text: string): string | undefined {
  const names = text.split(PLACEHOLDER).filter((_, i) => i % 2 === 1);
  const unknown = names.find((name) => findValue(name) === undefined);
  if (unknown === undefined) return undefined;
  return `holds {${unknown}}, which does not exist — use {params.name}, {requestId}, {clientAddress}, {host} or {scheme}`;
}

/**
 * Compiles a text with placeholders such as `{params.id}`, in which `findTemplateFault` has found nothing. A parameter
 * that the route does not have is empty. Bytes that a header cannot carry are percent-encoded.
 */
export function compileTemplate(text: string): Template {
  const parts = text.split(PLACEHOLDER).map((part, i) => (i % 2 === 1 ? findValue(part) : part));
  if (parts.length === 1) return () => text;
  return (exchange) => {
    let value = '';
    for (const part of parts) value += typeof part === 'function' ? printable(part(exchange)) : part;
    return value;
  };
}

function findValue(name: string): Template | undefined {
  if (!name.startsWith('params.')) return Object.hasOwn(VALUES, name) ? VALUES[name] : undefined;
  const param = name.slice('params.'.length);
  if (param === '') return undefined;
  return ({ params }) => (Object.hasOwn(params, param) ? (params[param] as string) : '');
}

function printable(value: string): string {
  return /^[\x20-\x7e]*$/.test(value)
    ? value
    : value.toWellFormed().replace(/[^\x20-\x7e]+/g, encodeURIComponent);
}
