import { DurationSeries } from './duration-series.ts';
import { formatLabels, type SeriesFamily } from './series-family.ts';

/** Gives the labels of one series of an owner. `variant` is what differs between those, as a number. */
type LabelsOf = (owner: string, variant: number) => Readonly<Record<string, string>>;

/** A histogram of durations whose series belong to somebody, such as a route, and end when nobody holds them. */
export class DurationFamily implements SeriesFamily {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  private readonly labelsOf: LabelsOf;
  private readonly held = new Map<string, SeriesByVariant>();

  constructor(name: string, help: string, labelsOf: LabelsOf) {
    this.name = name;
    this.help = help;
    this.labelsOf = labelsOf;
  }

  /** Finds or makes the series of `owner`, and counts one holder more. */
  hold(owner: string): SeriesByVariant {
    const found = this.held.get(owner);
    const series = found ?? new SeriesByVariant(this, owner);
    if (found === undefined) this.held.set(owner, series);
    series.holders++;
    return series;
  }

  /** Counts one holder less. Returns whether it was the last, so that the series of `owner` have ended. */
  release(owner: string): boolean {
    const found = this.held.get(owner);
    if (found === undefined || --found.holders > 0) return false;
    return this.held.delete(owner);
  }

  /** Makes a series, with nothing in it. */
  begin(owner: string, variant: number): DurationSeries {
    return new DurationSeries(this.name, formatLabels(this.labelsOf(owner, variant)));
  }

  *groups(): Generator<string> {
    for (const series of this.held.values()) yield series.render();
  }
}

/** The series of one owner, each made when it is first met: most of ten thousand routes are seldom asked for. */
export class SeriesByVariant {
  /** How many hold these series. */
  holders = 0;
  private readonly family: DurationFamily;
  private readonly owner: string;
  private all: Map<number, DurationSeries> | undefined = undefined;
  private last: DurationSeries | undefined = undefined;
  private lastVariant = -1;

  constructor(family: DurationFamily, owner: string) {
    this.family = family;
    this.owner = owner;
  }

  /** Records into the series of `variant`. Most requests are as the one before, which then costs a comparison. */
  record(variant: number, seconds: number): void {
    if (variant !== this.lastVariant || this.last === undefined) {
      this.last = this.find(variant);
      this.lastVariant = variant;
    }
    this.last.record(seconds);
  }

  render(): string {
    let text = '';
    for (const series of this.all?.values() ?? []) text += series.render();
    return text;
  }

  private find(variant: number): DurationSeries {
    this.all ??= new Map();
    let series = this.all.get(variant);
    if (series === undefined) {
      series = this.family.begin(this.owner, variant);
      this.all.set(variant, series);
    }
    return series;
  }
}
