export interface Family {
  readonly type: string;
  readonly help: string;
  readonly series: Map<string, number>;
}

const SERIES =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"(?:,|(?=\})))*\})? (\S+)$/;

/** Parses the Prometheus text format strictly: each family once, its series together, none twice, all numbers. */
export function parseMetrics(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let name = '';
  for (const line of text.split('\n')) {
    const [, kind, of, rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (kind === 'HELP' && of !== undefined) {
      if (families.has(of)) throw new Error(`family ${of} comes twice`);
      name = of;
      families.set(name, { type: '', help: rest, series: new Map() });
    } else if (kind === 'TYPE') {
      families.set(name, { ...(families.get(name) as Family), type: rest });
    } else if (line !== '') addSeries(families.get(name), name, line);
  }
  return families;
}

function addSeries(family: Family | undefined, name: string, line: string): void {
  const match = SERIES.exec(line);
  if (!match || !family) throw new Error(`'${line}' is not a series`);
  const suffix = (match[1] as string).slice(name.length);
  const isOfFamily = (match[1] as string).startsWith(name) && /^(?:_bucket|_sum|_count)?$/.test(suffix);
  if (!isOfFamily) throw new Error(`'${line}' stands in the family ${name}`);
  const key = `${match[1]}${match[2] ?? ''}`;
  if (family.series.has(key)) throw new Error(`series ${key} comes twice`);
  const value = Number(match[3]);
  if (Number.isNaN(value)) throw new Error(`'${line}' has no value`);
  family.series.set(key, value);
}
