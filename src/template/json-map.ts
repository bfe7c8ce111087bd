import { compileWhole } from './places.ts';
import { type Reference, ROOTS, type TemplateNames } from './reference.ts';
import { TemplateError } from './template-error.ts';

/** A map of a JSON template as written, its keys of a meaning of their own read. */
export interface JsonMap {
  /** Names and templates, in order; `...` among them. */
  readonly members: readonly (readonly [key: string, template: unknown])[];
  /** Whether `...` puts members of other maps in its place. */
  readonly spreads: boolean;
  /** Names that are left out of what `...` puts in. */
  readonly without: readonly string[];
  /** Present where the map stands for a list that is made element by element. */
  readonly each: JsonEach | undefined;
}

/** A list that is made of another one: `{ "...each": "{body.items}", as: item, give: { id: "{item.id}" } }`. */
export interface JsonEach {
  readonly of: Reference;
  /** The template for each element. */
  readonly give: unknown;
  /** What that may refer to. */
  readonly names: TemplateNames;
}

const SPREAD = '...';
const WITHOUT = '...without';
const EACH = '...each';

/** What no element may be called, since it means something else in templates. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set([
  ...ROOTS,
  ...['and', 'or', 'not', 'in', 'true', 'false', 'null'],
]);

/** Reads a map of a JSON template. Throws `TemplateError` for keys that do not fit together. */
export function readMap(template: Readonly<Record<string, unknown>>, names: TemplateNames): JsonMap {
  const entries = Object.entries(template);
  if (Object.hasOwn(template, EACH))
    return { members: [], spreads: false, without: [], each: readEach(template, names) };
  const members = entries.filter(([key]) => key !== WITHOUT);
  const spreads = Object.hasOwn(template, SPREAD);
  if (!Object.hasOwn(template, WITHOUT)) return { members, spreads, without: [], each: undefined };
  const without = template[WITHOUT];
  if (!Array.isArray(without) || !without.every((name) => typeof name === 'string'))
    throw new TemplateError(`has ${WITHOUT}, which is not a list of names — write [name, other]`, 1);
  if (!spreads)
    throw new TemplateError(`has ${WITHOUT} without ${SPREAD}, of which it leaves out — add ${SPREAD}`, 1);
  return { members, spreads, without, each: undefined };
}

function readEach(template: Readonly<Record<string, unknown>>, names: TemplateNames): JsonEach {
  const { [EACH]: list, as, give, ...others } = template;
  const [other] = Object.keys(others);
  if (other !== undefined)
    throw new TemplateError(`has '${other}' beside ${EACH} — write as and give, and nothing else`, 1);
  if (typeof list !== 'string')
    throw new TemplateError(`has ${EACH}, which is not a reference to a list — write {body.items}`, 1);
  if (typeof as !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(as))
    throw new TemplateError(`has ${EACH} without a name for the element — add as: item`, 1);
  if (RESERVED_NAMES.has(as))
    throw new TemplateError(
      `has as: ${as}, which means something else in templates — choose another name`,
      1,
    );
  if (give === undefined)
    throw new TemplateError(`has ${EACH} without what each element gives — add give`, 1);
  const of = compileWhole(list, names);
  return { of, give, names: { ...names, item: as, itemPart: of.part } };
}
