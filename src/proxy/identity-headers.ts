import type { Exchange } from '../core/exchange.ts';
import { FieldKind } from '../core/field-kind.ts';
import { HeaderBlock } from '../core/fields/header-block.ts';
import { IDENTITY_HEADERS, type Identity } from '../core/identity/identity.ts';

/** Tells the target who is calling, and nothing where nobody was identified. What stood in these fields is dropped. */
export function writeIdentityHeaders({ headers, identity }: Exchange): void {
  if (headers.getKind(FieldKind.xAuth) !== undefined)
    for (const name of IDENTITY_HEADERS) headers.delete(name);
  if (identity !== undefined) headers.appendBlock(blockOf(identity));
}

/** One identity serves many requests, so its lines are written once. */
const blocks = new WeakMap<Identity, HeaderBlock>();

function blockOf(identity: Identity): HeaderBlock {
  let block = blocks.get(identity);
  if (block === undefined) {
    block = new HeaderBlock(fieldsOf(identity));
    blocks.set(identity, block);
  }
  return block;
}

function fieldsOf({ subject, roles, permissions }: Identity): string[] {
  const values = [escapeItem(subject), listOf(roles), listOf(permissions)];
  return IDENTITY_HEADERS.flatMap((name, i) => (values[i] === '' ? [] : [name, values[i] as string]));
}

function listOf(items: readonly string[]): string {
  return items
    .filter((item) => item !== '')
    .map(escapeItem)
    .join(',');
}

/**
 * Makes text safe for a list in a field: whatever is no visible ASCII, and `%`, `,` and `"`, as percent-encoded UTF-8.
 * Bytes above 127 would be read as one encoding here and as another there.
 */
function escapeItem(text: string): string {
  return text.toWellFormed().replace(/[^\x21-\x7e]+|[%,"]+/g, percentEncoded);
}

function percentEncoded(text: string): string {
  return Buffer.from(text).toString('hex').toUpperCase().replace(/../g, '%$&');
}
