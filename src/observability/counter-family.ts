import type { Counter } from '../core/services.ts';
import { formatLabels, type SeriesFamily } from './series-family.ts';

/** A counter with its series, one for each set of labels. */
export class CounterFamily implements SeriesFamily {
  readonly name: string;
  readonly help: string;
  readonly type = 'counter';
  private readonly labelNames: readonly string[];
  private readonly cells = new Map<string, CounterCell>();

  constructor(name: string, help: string, labelNames: readonly string[]) {
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
  }

  /** Finds or makes the series with these labels, of the names that the family was made with. */
  series(labels: Readonly<Record<string, string>>): Counter {
    const key = formatLabels(Object.fromEntries(this.labelNames.map((name) => [name, labels[name] ?? ''])));
    const found = this.cells.get(key) ?? new CounterCell(labels.route);
    this.cells.set(key, found);
    return found;
  }

  /** Ends the series that have this route in their label `route`. */
  endRoute(route: string): void {
    for (const [key, cell] of this.cells) if (cell.route === route) this.cells.delete(key);
  }

  *groups(): Generator<string> {
    for (const [labels, cell] of this.cells)
      yield labels === '' ? `${this.name} ${cell.value}\n` : `${this.name}{${labels}} ${cell.value}\n`;
  }
}

class CounterCell implements Counter {
  value = 0;
  readonly route: string | undefined;

  constructor(route: string | undefined) {
    this.route = route;
  }

  add(amount = 1): void {
    // A counter that falls would read as a restart of the process.
    if (amount > 0) this.value += amount;
  }
}
