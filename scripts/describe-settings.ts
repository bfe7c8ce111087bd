import type { JsonSchema } from '../src/config/schema/json-schema.ts';

interface Section {
  readonly title: string;
  readonly schema: JsonSchema;
}

/** Writes tables of all settings in a JSON Schema as Markdown: one for its own keys, one for each map inside. */
export function describeSettings(schema: JsonSchema, title = 'Top level'): string[] {
  const waiting: Section[] = [{ title, schema }];
  const lines: string[] = [];
  for (let section = waiting.shift(); section !== undefined; section = waiting.shift()) {
    const name = section.title === title ? '' : section.title;
    lines.push(`## ${name === '' ? title : `\`${name}\``}`, '', ...describeSection(section.schema, name));
    waiting.unshift(...innerSections(section.schema, name));
  }
  return lines;
}

function describeSection({ properties = {}, required = [] }: JsonSchema, name: string): string[] {
  const rows = Object.entries(properties).map(([key, setting]) => {
    const inner = sectionOf(setting, name === '' ? key : `${name}.${key}`);
    const type =
      inner === undefined
        ? describeType(setting)
        : `${describeType(setting)}, see [below](#${anchor(inner.title)})`;
    const fallback = required.includes(key) ? 'required' : describeDefault(setting.default);
    return `| \`${key}\` | ${cell(type)} | ${cell(fallback)} | ${cell(setting.description ?? '')} |`;
  });
  if (rows.length === 0) return ['It has no options.', ''];
  return ['| key | type | default | meaning |', '|---|---|---|---|', ...rows, ''];
}

function innerSections({ properties = {} }: JsonSchema, name: string): Section[] {
  return Object.entries(properties).flatMap(([key, setting]) => {
    const inner = sectionOf(setting, name === '' ? key : `${name}.${key}`);
    return inner === undefined ? [] : [inner];
  });
}

/** Finds the map with settings of its own inside a setting: itself, each entry of a list, or each value of a map. */
function sectionOf(setting: JsonSchema, title: string): Section | undefined {
  if (isPolicyList(setting)) return undefined;
  if (setting.properties !== undefined) return { title, schema: setting };
  if (setting.items !== undefined) return sectionOf(setting.items, `${title}[]`);
  if (typeof setting.additionalProperties === 'object')
    return sectionOf(setting.additionalProperties, `${title}.<name>`);
  for (const member of setting.anyOf ?? []) {
    const inner = sectionOf(member, title);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

/** Options of policies have pages of their own. */
function isPolicyList({ items }: JsonSchema): boolean {
  return items?.anyOf?.some((member) => member.maxProperties === 1) === true;
}

function describeType(setting: JsonSchema): string {
  if (isPolicyList(setting)) return 'list of [policies](#policies)';
  if (setting.title !== undefined) return setting.title;
  if (setting.enum !== undefined) return setting.enum.map((value) => `\`${String(value)}\``).join(' · ');
  if (setting.const !== undefined) return `\`${String(setting.const)}\``;
  if (setting.anyOf !== undefined) return [...new Set(setting.anyOf.map(describeType))].join(' or ');
  switch (setting.type) {
    case 'array':
      return setting.items === undefined
        ? 'list'
        : `list of ${describeType(setting.items).replace(/\bmap$/, 'maps')}`;
    case 'object':
      return typeof setting.additionalProperties === 'object'
        ? `map of names to ${describeType(setting.additionalProperties).replace(/\bmap$/, 'maps')}`
        : 'map';
    case 'string':
      return 'text';
    case 'integer':
      return 'whole number';
    case 'boolean':
      return '`true` · `false`';
    default:
      // A value that may be left empty has two types.
      return Array.isArray(setting.type)
        ? setting.type.map((type) => describeType({ ...setting, type })).join(' or ')
        : (setting.type ?? 'anything');
  }
}

function describeDefault(value: unknown): string {
  if (value === undefined) return '';
  const isEmptyMap = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  if (isEmptyMap) return Array.isArray(value) ? 'none' : '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** Spells a heading as GitHub does for links to it. */
function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}
