import { setImmediate } from 'node:timers/promises';

/** Groups of lines that are rendered before other work gets its turn; a group is one recorder's series. */
const SLICE = 200;

/** A metric whose series may be many, so that it is rendered in slices. */
export interface SeriesFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'histogram';
  /** Yields the lines of one or a few series, each line closed by a line feed; an empty string where there are none. */
  groups(): Iterable<string>;
}

/**
 * Renders a family in the Prometheus text format. Thousands of routes make hundreds of thousands of lines: all at once
 * they would hold up every request for a quarter of a second at each scrape.
 */
export async function renderFamily(family: SeriesFamily): Promise<string> {
  const parts = [`# HELP ${family.name} ${escapeHelp(family.help)}\n# TYPE ${family.name} ${family.type}\n`];
  let inSlice = 0;
  for (const group of family.groups()) {
    parts.push(group);
    if (++inSlice < SLICE) continue;
    inSlice = 0;
    await setImmediate();
  }
  return parts.join('');
}

/** Writes labels as they stand between the braces of a series: `route="orders",method="GET"`. */
export function formatLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabelValue(value)}"`)
    .join(',');
}

function escapeLabelValue(value: string): string {
  return value.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`));
}

function escapeHelp(help: string): string {
  return help.replace(/[\\\n]/g, (c) => (c === '\n' ? '\\n' : '\\\\'));
}
