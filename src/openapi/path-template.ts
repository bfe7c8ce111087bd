/** One segment of a path template, as a route can have it. */
export interface TemplateSegment {
  /** As it stands in a route's path: text, or `:name`. */
  readonly route: string;
  /** The parameters in it, in order, where it is one. */
  readonly names: readonly string[];
  /** Parts a segment in which there is more than one parameter; `undefined` where its one parameter is the whole of it. */
  readonly pattern: RegExp | undefined;
  /** The name by which the route knows it, empty for text. */
  readonly routeName: string;
}

const EXPRESSION = /\{([^{}]+)\}/g;

/** Reads a path template of OpenAPI, such as `/orders/{id}` or `/files/{name}.{ext}`, into what a route can have. */
export function readTemplate(template: string): TemplateSegment[] {
  const taken = new Set<string>();
  return template
    .slice(1)
    .split('/')
    .map((segment) => {
      const names = [...segment.matchAll(EXPRESSION)].map(([, name]) => name as string);
      if (names.length === 0) return { route: plain(segment), names, pattern: undefined, routeName: '' };
      const routeName = uniqueName(names.map(safeName).join('_'), taken);
      const isWhole = names.length === 1 && segment === `{${names[0]}}`;
      return { route: `:${routeName}`, names, pattern: isWhole ? undefined : patternOf(segment), routeName };
    });
}

/** Writes a template as the path of a route. */
export function routePathOf(template: string): string {
  return `/${readTemplate(template)
    .map(({ route }) => route)
    .join('/')}`;
}

/** Writes a template as what an upstream sees, for `rewrite`. */
export function rewriteOf(template: string): string {
  return `/${readTemplate(template)
    .map(({ route, routeName }) => (routeName === '' ? route : `{params.${routeName}}`))
    .join('/')}`;
}

/** Names of parameters may hold more than those of a route. */
function safeName(name: string): string {
  const safe = name.replace(/[^A-Za-z0-9_-]/g, '_');
  return /^[A-Za-z_]/.test(safe) && safe !== '__proto__' ? safe : `p_${safe}`;
}

function uniqueName(name: string, taken: Set<string>): string {
  let unique = name;
  for (let i = 2; taken.has(unique); i++) unique = `${name}_${i}`;
  taken.add(unique);
  return unique;
}

/** A literal segment that would mean something to a route. */
function plain(segment: string): string {
  return segment.replace(/^:/, '%3A').replace(/\*/g, '%2A');
}

/** The first parameters take as much as they can: of `a.b.txt` the last dot parts name and ending. */
function patternOf(segment: string): RegExp {
  const parts = segment
    .split(EXPRESSION)
    .map((part, i) => (i % 2 === 1 ? '(.+)' : part.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')));
  return new RegExp(`^${parts.join('')}$`, 's');
}
