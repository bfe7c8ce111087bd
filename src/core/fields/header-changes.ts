import type { HeaderList } from '../header-list.ts';

/** What to change of a header: first what goes, then what is written in place of others, then what is put beside them. */
export interface HeaderChanges {
  readonly remove: readonly string[];
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string>>;
}

/** Makes the changes to `list`. */
export function changeHeaders(list: HeaderList, { remove, set, add }: HeaderChanges): void {
  for (const name of remove) list.delete(name);
  for (const name of Object.keys(set)) list.set(name, set[name] as string);
  for (const name of Object.keys(add)) list.append(name, add[name] as string);
}
